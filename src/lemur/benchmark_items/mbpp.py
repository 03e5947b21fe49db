"""MBPP: write a Python program, given a sentence and three tests (Austin et al. 2021)."""

from collections.abc import Iterator
from dataclasses import dataclass

from lemur.core.records import Record
from lemur.sources.fetched import BadRecord, FetchedFile
from lemur.sources.reading.rows import rows, texts

EXAMPLES = (2, 3, 4)
"""task_id of the few-shot examples; the authors reserve 1 to 10 for prompts."""
TEST = range(11, 511)


@dataclass(frozen=True)
class Problem:
    where: str
    task_id: int
    text: str
    code: str
    test_setup_code: str
    test_list: tuple[str, ...]

    @property
    def tests(self) -> str:
        return "\n".join(self.test_list)

    def program(self, answer: str, rule: str) -> str:
        """The answer with its tests. Only rule `strict` adds the set-up code: the paper's script omits it, though two
        problems need it."""
        setup = [self.test_setup_code] if rule == "strict" and self.test_setup_code else []
        return "\n".join([answer, *setup, self.tests])


def read(file: FetchedFile) -> Iterator[Problem | BadRecord]:
    """Records {task_id, text, code, test_setup_code, test_list}."""
    return rows(file, _problem)


def _problem(where: str, record: Record) -> Problem:
    text, code, setup = texts(record, "text", "code", "test_setup_code")
    tests = tuple(record["test_list"])
    if not tests or not all(isinstance(test, str) for test in tests):
        raise TypeError(f"test_list is {record['test_list']!r:.50}; strings are allowed, one or more")
    return Problem(where, int(record["task_id"]), text, code, setup, tests)
