"""MINT: tasks from eight benchmarks for a model that acts over several turns (Wang et al. 2023)."""

from collections.abc import Iterator
from dataclasses import dataclass

from lemur.core.records import Record
from lemur.sources.fetched import BadRecord, FetchedFile
from lemur.sources.reading.rows import rows, texts


@dataclass(frozen=True)
class Task:
    where: str
    prompt: str


def read(file: FetchedFile) -> Iterator[Task | BadRecord]:
    """Records {prompt}."""
    return rows(file, _task)


def _task(where: str, record: Record) -> Task:
    return Task(where, *texts(record, "prompt"))
