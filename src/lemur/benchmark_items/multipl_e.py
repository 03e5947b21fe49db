"""MultiPL-E: HumanEval's problems in 18 other languages (Cassano et al. 2022)."""

from collections.abc import Iterator
from dataclasses import dataclass

from lemur.core.records import Record
from lemur.sources.fetched import BadRecord, FetchedFile
from lemur.sources.reading.rows import rows, texts


@dataclass(frozen=True)
class Problem:
    where: str
    name: str
    language: str
    prompt: str
    tests: str
    stop: tuple[str, ...]

    def program(self, completion: str) -> str:
        return f"{self.prompt}{completion}\n{self.tests}"


def read(file: FetchedFile) -> Iterator[Problem | BadRecord]:
    """Records {name, prompt, tests, stop_tokens}; the file's meta names the language. The Python file (HumanEval
    itself) has {task_id, prompt, test} and is not evaluated."""

    def problem(where: str, record: Record) -> Problem:
        if "name" not in record and "task_id" in record:
            name, start, tests = texts(record, "task_id", "prompt", "test")
            return Problem(where, name, file.meta["language"], start, tests, ())
        name, start, tests = texts(record, "name", "prompt", "tests")
        stop = tuple(record["stop_tokens"])
        if not all(isinstance(text, str) for text in stop):
            raise TypeError(f"stop_tokens is {record['stop_tokens']!r:.50}; strings are allowed")
        return Problem(where, name, file.meta["language"], start, tests, stop)

    return rows(file, problem)
