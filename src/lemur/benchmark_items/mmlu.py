"""MMLU: four-way questions from 57 subjects (Hendrycks et al. 2021)."""

from collections.abc import Iterator
from dataclasses import dataclass

from lemur.sources.fetched import BadRecord, FetchedFile
from lemur.sources.reading.rows import table_rows

LETTERS = "ABCD"


@dataclass(frozen=True)
class Question:
    subject: str
    where: str
    question: str
    choices: tuple[str, str, str, str]
    answer: str


def read(file: FetchedFile) -> Iterator[Question | BadRecord]:
    """A CSV without header, with columns question, A, B, C, D, answer; the file's meta names the subject."""
    for item in table_rows(file):
        yield item if isinstance(item, BadRecord) else _question(file, *item)


def _question(file: FetchedFile, where: str, row: list[str]) -> Question | BadRecord:
    if len(row) != 6 or row[5] not in LETTERS or len(row[5]) != 1:
        detail = f"{len(row)} fields, answer {row[-1:]}; 6 fields and a letter A to D are allowed"
        return BadRecord(where, "wrong_type", detail)
    question, first, second, third, fourth, answer = row
    return Question(file.meta["subject"], where, question, (first, second, third, fourth), answer)
