"""MINT: tasks from eight benchmarks for a model that acts over several turns (Wang et al. 2023)."""

from collections.abc import Iterator
from dataclasses import dataclass

from lemur.core.records import Record
from lemur.sources.fetched import BadRecord, FetchedFile
from lemur.sources.reading.file_formats import whole_text
from lemur.sources.reading.rows import rows, texts


@dataclass(frozen=True)
class Task:
    where: str
    prompt: str


@dataclass(frozen=True)
class Trajectory:
    """A conversation that wins a game of ALFWorld."""

    where: str
    text: str


def read(file: FetchedFile) -> Iterator[Task | BadRecord]:
    """Records {prompt}."""
    return rows(file, _task)


def _task(where: str, record: Record) -> Task:
    return Task(where, *texts(record, "prompt"))


def read_trajectory(file: FetchedFile) -> Iterator[Trajectory | BadRecord]:
    """Each file holds one game."""
    text = whole_text(file)
    yield text if isinstance(text, BadRecord) else Trajectory(file.name, text)
