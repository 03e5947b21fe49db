"""WebArena: tasks that a user wants done on a web site (Zhou et al. 2023)."""

from collections.abc import Iterator
from dataclasses import dataclass

from lemur.core.records import Record
from lemur.sources.fetched import BadRecord, FetchedFile
from lemur.sources.reading.rows import rows, texts


@dataclass(frozen=True)
class Task:
    where: str
    intent: str


def read(file: FetchedFile) -> Iterator[Task | BadRecord]:
    """Records {intent}."""
    return rows(file, _task)


def _task(where: str, record: Record) -> Task:
    return Task(where, *texts(record, "intent"))
