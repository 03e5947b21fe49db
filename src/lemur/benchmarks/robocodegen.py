"""RoboCodeGen: functions of a robot's program to write (Liang et al. 2022)."""

from collections.abc import Iterator
from dataclasses import dataclass

from lemur.core.records import Record
from lemur.sources.fetched import BadRecord, FetchedFile
from lemur.sources.reading.containers import listed
from lemur.sources.reading.rows import converted, texts


@dataclass(frozen=True)
class Problem:
    where: str
    query: str


def read(file: FetchedFile) -> Iterator[Problem | BadRecord]:
    """A JSON object {problems: [{query}]}."""
    return converted(listed(file, "problems"), _problem)


def _problem(where: str, record: Record) -> Problem:
    return Problem(where, *texts(record, "query"))
