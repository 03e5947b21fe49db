"""MINT: tasks from eight benchmarks for a model that acts over several turns (Wang et al. 2023)."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath
from typing import Any

from lemur.core.records import Record
from lemur.sources.fetched import BadRecord, FetchedFile
from lemur.sources.reading.file_formats import whole_text
from lemur.sources.reading.rows import rows, texts
from lemur.sources.reading.values import FieldError

GROUPS = {
    "reasoning": ("gsm8k", "math", "theoremqa", "hotpotqa", "mmlu"),
    "code": ("humaneval", "mbpp"),
    "decision": ("alfworld",),
}
"""The tasks by what they measure, as MINT and the paper's tables group them."""
COUNTS = {
    "gsm8k": 48,
    "math": 100,
    "theoremqa": 49,
    "hotpotqa": 43,
    "mmlu": 76,
    "humaneval": 45,
    "mbpp": 91,
    "alfworld": 134,
}
"""Published number of items by task."""
TASK_SCHEMAS = ("mint", "mint_humaneval", "mbpp")
"""Schemas of files that `read` reads."""
ANSWER_TYPES = ("bool", "float", "integer", "list of float", "list of integer", "option")
THEOREMQA_SENTENCE = "Answer the following question with a number, a list of numbers or True or False. "
HUMANEVAL_SENTENCE = "Complete the following code:\n\n"

Reference = str | bool | int | float | list[int | float]


@dataclass(frozen=True)
class Task:
    """An item. `prompt` is the source's text; `task_prompt` is what a model reads.

    `reference`: the answer, for code the tests. `answer_type`: of a TheoremQA item, one of `ANSWER_TYPES`. `solution`:
    a proposal that solves the item. `setup`: MBPP's code to run before the tests, which MINT leaves out.
    """

    where: str
    task: str
    id: str
    prompt: str
    reference: Reference
    answer_type: str = ""
    entry_point: str = ""
    solution: str = ""
    setup: str = ""

    @property
    def task_prompt(self) -> str:
        """The task as MINT puts it (mint/tasks in its repository)."""
        match self.task:
            case "theoremqa":
                return THEOREMQA_SENTENCE + self.prompt.strip()
            case "humaneval":
                return HUMANEVAL_SENTENCE + self.prompt
            case "mbpp":
                return self.prompt.replace('"""', "").strip()
            case "mmlu":
                return self.prompt
            case _:
                return self.prompt.strip()

    @property
    def options(self) -> dict[str, str]:
        """The options of an MMLU question by letter, in lower case."""
        return {letter: text.strip().lower() for letter, text in raw_options(self.prompt).items()}


def group(task: str) -> str:
    return next(name for name, tasks in GROUPS.items() if task in tasks)


def task_name(file: FetchedFile) -> str:
    """The task whose items a file holds: `task` or `benchmark` (mint_TASK) of its metadata, else its folder's name."""
    named = file.meta.get("task") or str(file.meta.get("benchmark", "")).removeprefix("mint_")
    return named if named in COUNTS else PurePosixPath(file.name).parent.name


def read(file: FetchedFile) -> Iterator[Task | BadRecord]:
    """Records {id, prompt, reference}; TheoremQA's also have {answer_type}, HumanEval's {entry_point,
    canonical_solution}, MBPP's {code, test_setup_code}."""
    return rows(file, partial(_task, task_name(file)))


def _task(task: str, where: str, record: Record) -> Task:
    (prompt,) = texts(record, "prompt")
    number, reference = record["id"], record["reference"]
    if not isinstance(number, int | str) or isinstance(number, bool):
        raise TypeError(f"id is {number!r:.50}; an integer or a string is allowed")
    extra: dict[str, Any] = {}
    if task == "theoremqa":
        extra["answer_type"] = answer_type(reference)
        given = str(record.get("answer_type", extra["answer_type"])).lower()
        if given != extra["answer_type"] and given != "list of float":
            raise TypeError(f"answer_type is {given!r}, but the reference {reference!r:.50} is {extra['answer_type']}")
        extra |= {"answer_type": given, "solution": f"({reference})" if given == "option" else str(reference)}
    elif not isinstance(reference, str):
        raise TypeError(f"reference is {reference!r:.50}; a string is allowed")
    if task == "mmlu":
        letters = sorted(raw_options(prompt))
        if reference.strip().lower() not in letters:
            raise FieldError("bad_reference", f"{reference!r} is none of the options {letters}")
    if task == "humaneval":
        extra["entry_point"], body = texts(record, "entry_point", "canonical_solution")
        extra["solution"] = f"{prompt}\n{body}"
    if task == "mbpp":
        extra["solution"], extra["setup"] = texts(record, "code", "test_setup_code")
    return Task(where, task, f"{task}/{number}", prompt, reference, **{"solution": str(reference), **extra})


def answer_type(reference: object) -> str:
    """TheoremQA's type of an answer. Raises `TypeError` for a value that it does not have."""
    if isinstance(reference, list) and reference and all(type(value) in (int, float) for value in reference):
        return "list of integer" if all(type(value) is int for value in reference) else "list of float"
    names = {bool: "bool", int: "integer", float: "float", str: "option"}
    if type(reference) not in names:
        raise TypeError(f"reference is {reference!r:.50}; allowed are {', '.join(ANSWER_TYPES)}")
    return names[type(reference)]


def raw_options(prompt: str) -> dict[str, str]:
    """{letter: text} of "Options: A ) text , B ) text". Raises `FieldError` for text without options."""
    _, marker, listed = prompt.rpartition("Options: ")
    options = {}
    for option in listed.split(" , "):
        letter, bracket, text = option.partition(")")
        if not marker or not bracket:
            allowed = "'Options: A ) text , B ) text'"
            raise FieldError("bad_options", f"{option!r:.50} of {prompt!r:.50}; {allowed} is allowed")
        options[letter.lower().strip("[]' ")] = text
    return options


@dataclass(frozen=True)
class Example:
    """A solved task that a prompt shows."""

    where: str
    text: str


def read_example(file: FetchedFile) -> Iterator[Example | BadRecord]:
    """Each file holds one."""
    text = whole_text(file)
    yield text if isinstance(text, BadRecord) else Example(file.name, text)
