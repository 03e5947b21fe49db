"""Rephrased items of HumanEval, GSM8K and MMLU, from llm-decontaminator (Yang et al. 2023)."""

from collections.abc import Iterator
from dataclasses import dataclass

from lemur.core.records import Record
from lemur.sources.fetched import BadRecord, FetchedFile
from lemur.sources.reading.rows import rows, texts


@dataclass(frozen=True)
class Rephrased:
    where: str
    text: str


def read(file: FetchedFile) -> Iterator[Rephrased | BadRecord]:
    """Records {text}."""
    return rows(file, _rephrased)


def _rephrased(where: str, record: Record) -> Rephrased:
    return Rephrased(where, *texts(record, "text"))
