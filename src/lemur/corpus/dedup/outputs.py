"""The stage's outputs, shard by shard: the documents that are kept, and the rejects."""

from collections import deque
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lemur.core.counts import Counts
from lemur.core.rank import rank
from lemur.core.records import Record, jsonl_writer, scan
from lemur.core.rejects import SUFFIX, rejects_writer
from lemur.core.shards import Job
from lemur.corpus.dedup.partitions import read_rows
from lemur.corpus.dedup.removals import REASONS, REMOVAL, detail
from lemur.corpus.dedup.settings import Settings
from lemur.corpus.dedup.spans import address
from lemur.corpus.documents import all_shards
from lemur.corpus.sampling import Limit

Ranked = tuple[int, str, int]
"""A kept document's rank, id and address."""


@dataclass(frozen=True)
class Shard(Job):
    """Inputs: documents of one source, the folder of removals. Outputs: `distinct`, `rejects`."""

    number: int
    source: str


def output_shards(documents: Path, removals: Path, distinct: Path, rejects: Path) -> list[Shard]:
    return [
        Shard(
            path.stem,
            (path, removals),
            {"distinct": distinct / path.name, "rejects": rejects / f"{path.stem}{SUFFIX}"},
            number,
            source,
        )
        for number, (source, path) in enumerate(all_shards(documents))
    ]


def write_shard(settings: Settings, sample: int, job: Shard) -> tuple[Record, list[Ranked]]:
    """The shard's report of `Counts`, and the `sample` kept documents of lowest rank."""
    path, folder = job.inputs
    lowest = Limit(sample)
    removed: dict[int, np.void] = {}
    end = 0
    with jsonl_writer(job.outputs["distinct"]) as write, rejects_writer(job.outputs["rejects"]) as reject:
        counts = Counts("dedup_corpus", reject)
        for offset, record in scan(path):
            place = address(job.number, offset)
            if offset >= end:
                end = offset + settings.span_bytes()
                rows = read_rows(folder, REMOVAL, place, address(job.number, end), settings.memory)
                removed = dict(zip(rows["address"].tolist(), rows, strict=True))
            counts.entered(job.source)
            if (row := removed.get(place)) is None:
                counts.left(job.source)
                write(record)
                order = rank(settings.seed, record["id"])
                deque(lowest.push(order, record["id"], 1, (order, record["id"], place)), maxlen=0)
            else:
                reason = REASONS[row["reason"]]
                more = detail(reason, float(row["words"]), float(row["renamed"]))
                counts.dropped(job.source, reason, record, duplicate_of=row["kept_id"].decode(), **more)
    return counts.report(), lowest.chosen()
