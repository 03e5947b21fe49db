"""Verification: the exact similarity of each candidate pair, once, and the edges between those that are similar."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from lemur.corpus.dedup.candidates import PAIR, distinct
from lemur.corpus.dedup.exact import COPY
from lemur.corpus.dedup.minhash import jaccard
from lemur.corpus.dedup.partitions import Partition, read_rows, write_rows
from lemur.corpus.dedup.settings import Settings
from lemur.corpus.dedup.sketches import KINDS, shingle_set
from lemur.corpus.dedup.spans import Shards, read_document, shard_of
from lemur.corpus.sources import CODE

SETS = 16  # sets of shingles in memory


class Shingled(NamedTuple):
    id: str
    length: int
    shingles: np.ndarray


def verify(settings: Settings, shards: Shards, part: Partition) -> int:
    """Compare the texts of the pairs in `inputs[0]`, except for those compared before, in the other inputs.

    Writes `compared` (rows `PAIR`), `edges` (uint64 [edges, 2], addresses) and `ends`: a row `COPY` for each document
    that has an edge. Returns the number of pairs compared. A pair is similar if it is by one of its kinds.
    """
    proposed, *compared = (read_rows(folder, PAIR, part.low, part.high, settings.memory) for folder in part.inputs)
    pairs = _new(proposed, compared)
    thresholds = settings.thresholds()

    @lru_cache(SETS)
    def shingled(document: int, kind: int) -> Shingled:
        record = read_document(shards, document)
        is_code = shards[shard_of(document)][0] in CODE
        shingles = shingle_set(kind, record["text"], is_code, settings)
        return Shingled(record["id"], len(record["text"]), shingles)

    edges, ends = [], {}
    # In the order of their places, each document's pairs together.
    for _, first, second, kinds in np.sort(pairs, order=("first", "second")).tolist():
        for kind in KINDS:
            if kinds >> kind & 1:
                both = shingled(first, kind), shingled(second, kind)
                if jaccard(both[0].shingles, both[1].shingles) >= thresholds[kind]:
                    edges.append((first, second))
                    for document, each in zip((first, second), both, strict=True):
                        ends[document] = (document, document, each.length, each.id.encode())
                    break
    write_rows(part.outputs["compared"], pairs)
    np.array(edges, np.uint64).tofile(part.outputs["edges"])
    write_rows(part.outputs["ends"], np.array(list(ends.values()), COPY))
    return len(pairs)


def _new(proposed: np.ndarray, compared: list[np.ndarray]) -> np.ndarray:
    """The proposed pairs with the kinds by which they have not been compared yet."""
    for known in compared:
        known["kinds"] <<= np.uint64(len(KINDS))
    pairs = distinct(np.concatenate([proposed, *compared]))
    pairs["kinds"] &= ~(pairs["kinds"] >> np.uint64(len(KINDS))) & np.uint64((1 << len(KINDS)) - 1)
    return pairs[pairs["kinds"] > 0]
