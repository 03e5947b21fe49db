"""Stage `split_corpus`: hold out a fixed share of every source for evaluation."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from heapq import nsmallest
from pathlib import Path
from typing import NamedTuple

from pydantic import Field

from lemur.core.counts import Counts
from lemur.core.params import StageParams
from lemur.core.records import Record, jsonl_writer, read_jsonl
from lemur.core.shards import Job

log = logging.getLogger(__name__)


class Params(StageParams):
    share: float = Field(ge=0, lt=1, description="share of a source's documents to hold out, chosen by a hash of ids")
    min_documents: int = Field(ge=0, description="fewest documents to hold out of a source, but never over half of it")
    max_bytes: int = Field(ge=0, description="most UTF-8 bytes to hold out of a source")
    seed: int = Field(ge=0, description="seed of the choice")


def split_corpus(params: Params, documents: Path, *, train: Path, heldout: Path, report: Path) -> None:
    """A document's id decides its side, so adding data moves no document from one side to the other.

    Only `min_documents` and `max_bytes` can move one; they add and remove documents by the same rank.
    """
    from tqdm import tqdm

    from lemur.core.parallel import Pool
    from lemur.core.shards import map_shards, scratch_beside
    from lemur.corpus.documents import all_shards
    from lemur.corpus.sources import SOURCES

    shards = [Shard(path.stem, (path,), {}, source) for source, path in all_shards(documents)]
    counts = Counts("split_corpus")
    sizes = {}
    with scratch_beside(train) as scratch, Pool() as pool:
        found = map_shards(partial(candidates, params), shards, scratch=scratch, pool=pool)
        progress = tqdm(found, desc="split_corpus ranks", total=len(shards), unit="shard")
        by_shard = list(zip(shards, progress, strict=True))
        divided = []
        for source in SOURCES:
            of_source = [(shard, found) for shard, found in by_shard if shard.source == source]
            chosen, sizes[source] = choose(params, [found for _, found in of_source])
            for shard, (_, rows) in of_source:
                name = shard.inputs[0].name
                sides = {"train": train / name, "heldout": heldout / name}
                ids = frozenset(row.id for row in rows if row.id in chosen)
                divided.append(replace(shard, outputs=sides, heldout=ids))
        reports = map_shards(divide, divided, scratch=scratch, pool=pool)
        for shard_counts in tqdm(reports, desc="split_corpus", total=len(divided), unit="shard"):
            counts.add(shard_counts)
    counts.write(report, heldout_bytes=sizes)
    log.info("split_corpus: %d of %d documents held out", counts.total_dropped("held_out"), counts.total_in())


@dataclass(frozen=True)
class Shard(Job):
    """Input: documents of one source. Outputs: `train`, `heldout`."""

    source: str
    heldout: frozenset[str] = frozenset()
    """Ids of the documents to hold out."""


class Row(NamedTuple):
    """A document that may be held out; `size` in UTF-8 bytes."""

    rank: int
    id: str
    size: int


def candidates(params: Params, shard: Shard) -> tuple[int, set[Row]]:
    """The number of a shard's documents, and those that can be held out whatever the other shards have."""
    from lemur.core.rank import rank

    limit = int(params.share * 2**64)
    below_limit: set[Row] = set()
    count = 0

    def rows() -> Iterator[Row]:
        nonlocal count
        for record in read_jsonl(shard.inputs[0]):
            count += 1
            row = Row(rank(params.seed, record["id"]), record["id"], len(record["text"].encode()))
            if row.rank < limit:
                below_limit.add(row)
            yield row

    # Documents that cannot be chosen leave nothing in memory.
    lowest = nsmallest(max(params.min_documents, 1), rows())
    return count, below_limit.union(lowest)


def choose(params: Params, shards: Sequence[tuple[int, set[Row]]]) -> tuple[set[str], int]:
    """The ids of a source to hold out, and their documents' bytes, from the `candidates` of its shards."""
    limit = int(params.share * 2**64)
    minimum = min(params.min_documents, sum(count for count, _ in shards) // 2)
    chosen: set[str] = set()
    total = 0
    for number, row in enumerate(sorted(set().union(*(rows for _, rows in shards)))):
        if row.rank >= limit and number >= minimum:
            break
        if total + row.size <= params.max_bytes:
            chosen.add(row.id)
            total += row.size
    return chosen, total


def divide(shard: Shard) -> Record:
    """Write a shard's two sides; returns its report of `Counts`."""
    counts = Counts("split_corpus")
    with (
        jsonl_writer(shard.outputs["train"]) as write_train,
        jsonl_writer(shard.outputs["heldout"]) as write_heldout,
    ):
        for record in read_jsonl(shard.inputs[0]):
            counts.entered(shard.source)
            if record["id"] in shard.heldout:
                counts.dropped(shard.source, "held_out")
                write_heldout(record)
            else:
                counts.left(shard.source)
                write_train(record)
    return counts.report()
