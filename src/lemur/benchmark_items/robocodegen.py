"""RoboCodeGen: write functions of a robot's program (Liang et al. 2022)."""

from collections.abc import Iterator
from dataclasses import dataclass

from lemur.core.records import Record
from lemur.sources.fetched import BadRecord, FetchedFile
from lemur.sources.reading.file_formats import list_entries
from lemur.sources.reading.rows import convert_all, texts


@dataclass(frozen=True)
class Problem:
    where: str
    query: str


def read(file: FetchedFile) -> Iterator[Problem | BadRecord]:
    """A JSON object {problems: [{query}]}."""
    return convert_all(list_entries(file, "problems"), _problem)


def _problem(where: str, record: Record) -> Problem:
    return Problem(where, *texts(record, "query"))
