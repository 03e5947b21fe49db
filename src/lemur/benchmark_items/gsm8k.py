"""GSM8K: grade-school word problems (Cobbe et al. 2021), and eight examples with their chain of thought."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lemur.core.records import Record
from lemur.sources.fetched import BadRecord, DamagedFile, FetchedFile
from lemur.sources.reading.rows import FieldError, rows, texts
from lemur.sources.reading.values import check


@dataclass(frozen=True)
class Problem:
    where: str
    question: str
    solution: str
    """Worked steps, without the final answer."""
    answer: str
    """The final number, without thousands commas."""
    published: str
    """Steps and final answer, verbatim from the source."""


def read(file: FetchedFile) -> Iterator[Problem | BadRecord]:
    """Records {question, answer}; an answer's last line is `#### N`, and `<<...>>` marks calculator steps."""
    return rows(file, _problem)


def _problem(where: str, record: Record) -> Problem:
    question, published = texts(record, "question", "answer")
    steps, marker, target = published.rpartition("####")
    if not marker:
        raise FieldError("missing_field", "the answer has no line '#### N'")
    solution = " ".join(re.sub(r"<<.*?>>", "", steps).split())
    return Problem(where, question, solution, without_commas(target.strip()), published)


def read_fewshot(path: Path) -> list[Problem]:
    """Examples from lm-evaluation-harness's gsm8k-cot.yaml; each target ends with "The answer is N."."""
    from ruamel.yaml import YAML, YAMLError

    problems = []
    try:
        samples = YAML(typ="safe").load(path)["fewshot_config"]["samples"]
        check(samples)
        texts_of_samples = [texts(sample, "question", "target") for sample in samples]
    except (YAMLError, ValueError, KeyError, TypeError) as error:
        raise DamagedFile(f"{path}: {error}; fewshot_config.samples with question and target are expected") from None
    for index, (question, published) in enumerate(texts_of_samples):
        steps, marker, target = published.rpartition("The answer is ")
        if not marker:
            raise DamagedFile(f"{path}: sample {index}: the target does not end with 'The answer is N.'")
        answer = target.strip().removesuffix(".")
        problems.append(Problem(f"{path.name}:{index}", question, steps.strip(), answer, published))
    return problems


def without_commas(text: str) -> str:
    """`text` without the commas between thousands."""
    return re.sub(r"(\d),(?=\d)", r"\1", text)
