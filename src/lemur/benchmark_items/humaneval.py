"""HumanEval: Python functions to complete, with their tests (Chen et al. 2021)."""

from collections.abc import Iterator
from dataclasses import dataclass

from lemur.core.records import Record
from lemur.sources.fetched import BadRecord, FetchedFile
from lemur.sources.reading.rows import rows, texts


@dataclass(frozen=True)
class Problem:
    where: str
    task_id: str
    prompt: str
    entry_point: str
    test: str
    canonical_solution: str

    def program(self, completion: str) -> str:
        return f"{self.prompt}{completion}\n{self.test}\ncheck({self.entry_point})"


def read(file: FetchedFile) -> Iterator[Problem | BadRecord]:
    """Records {task_id, prompt, entry_point, test, canonical_solution}."""
    return rows(file, _problem)


def _problem(where: str, record: Record) -> Problem:
    return Problem(where, *texts(record, "task_id", "prompt", "entry_point", "test", "canonical_solution"))
