"""Verification: the exact similarity of each candidate pair, once, and the edges between those that are similar."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from lemur.corpus.dedup.candidates import PAIR, distinct
from lemur.corpus.dedup.exact import COPY
from lemur.corpus.dedup.minhash import jaccard
from lemur.corpus.dedup.partitions import Partition, read_rows, write_rows
from lemur.corpus.dedup.settings import Settings
from lemur.corpus.dedup.sketches import KINDS, shingles_of
from lemur.corpus.dedup.spans import Shards, read_document, shard_of
from lemur.corpus.sources import CODE

SETS = 16  # sets of shingles in memory
CHUNK = 1 << 12  # pairs that are Python objects at a time


class Shingled(NamedTuple):
    id: str
    length: int
    shingles: np.ndarray


def verify(settings: Settings, shards: Shards, part: Partition) -> int:
    """Compare the texts of the pairs in `inputs[0]`, except for those compared before, in the other inputs.

    Writes `compared` (rows `PAIR`), `edges` (uint64 [edges, 2], addresses) and `ends`: rows `COPY` of the documents
    that have an edge, each at least once. Returns the number of pairs compared. A pair is similar if it is by one of
    its kinds.
    """
    proposed, *compared = (read_rows(folder, PAIR, part.low, part.high, settings.memory) for folder in part.inputs)
    pairs = _new(proposed, compared)
    thresholds = settings.thresholds()

    @lru_cache(SETS)
    def shingled(document: int, kind: int) -> Shingled:
        record = read_document(shards, document)
        is_code = shards[shard_of(document)][0] in CODE
        shingles = shingles_of(kind, [record["text"]], is_code, settings)[0]
        return Shingled(record["id"], len(record["text"]), shingles)

    # In the order of their places, each document's pairs together.
    pairs = np.sort(pairs, order=("first", "second"))
    similar = np.zeros(len(pairs), bool)
    with part.outputs["ends"].open("wb") as file:
        for start in range(0, len(pairs), CHUNK):
            ends = {}
            for at, (_, first, second, kinds) in enumerate(pairs[start : start + CHUNK].tolist(), start):
                for kind in KINDS:
                    if kinds >> kind & 1:
                        both = shingled(first, kind), shingled(second, kind)
                        if jaccard(both[0].shingles, both[1].shingles) >= thresholds[kind]:
                            similar[at] = True
                            for document, each in zip((first, second), both, strict=True):
                                ends[document] = (document, document, each.length, each.id.encode())
                            break
            np.array(list(ends.values()), COPY).tofile(file)
    np.stack([pairs["first"][similar], pairs["second"][similar]], axis=1).tofile(part.outputs["edges"])
    write_rows(part.outputs["compared"], pairs)
    return len(pairs)


def _new(proposed: np.ndarray, compared: list[np.ndarray]) -> np.ndarray:
    """The proposed pairs with the kinds by which they have not been compared yet."""
    for known in compared:
        known["kinds"] <<= np.uint64(len(KINDS))
    pairs = distinct(np.concatenate([proposed, *compared]))
    pairs["kinds"] &= ~(pairs["kinds"] >> np.uint64(len(KINDS))) & np.uint64((1 << len(KINDS)) - 1)
    return pairs[pairs["kinds"] > 0]
