"""The items of every benchmark as texts to search for in training data: the parts that identify an item."""

import ast
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lemur.benchmark_items import (
    alfworld,
    bbh,
    ds1000,
    gsm8k,
    humaneval,
    intercode,
    mbpp,
    mint,
    mmlu,
    multipl_e,
    rephrased,
    robocodegen,
    spider,
    webarena,
)
from lemur.decontamination.prose import KINDS, descriptions, split_comments
from lemur.decontamination.views import View, words
from lemur.sources.fetched import BadRecord, FetchedFile, load
from lemur.sources.reading.rows import reader

NO_ITEMS = {
    *("intercode_asset", "intercode_dump", "intercode_episodes", "intercode_file_systems", "intercode_prompts"),
    *("mint_episodes", "mint_template", "search_pages", "search_queries"),
}
"""Schemas of files beside a benchmark's items: what models did, the frame of a prompt, what a tool answers from."""
LEAST_WORDS = 8  # GPT-3's lower bound for n
Parts = Iterable[tuple[View, str]]


@dataclass(frozen=True)
class Item:
    """A benchmark item. `parts` are alternative wordings, each of which identifies the item.

    `place`: where its source was fetched from; an item from place bundled belongs to a sample, not to the benchmark.
    `content`: what the reader of `schema` gives.
    """

    benchmark: str
    name: str
    parts: tuple[tuple[View, str], ...]
    place: str = ""
    schema: str = ""
    content: Any = None


def read_items(folders: Iterable[Path], unreadable: Counter[str]) -> Iterator[Item]:
    """Items of fetched folders `data/raw/<source>/`; a source that was left out (place none) has none.

    A file's benchmark is its `meta.benchmark`, else its source. Skips published training splits, because only items
    that are scored or shown in prompts matter. Counts rows that cannot be read in `unreadable`, by benchmark.
    """
    for folder in folders:
        source = load(folder)
        for file in source.files:
            benchmark = str(file.meta.get("benchmark", source.name))
            if file.meta.get("split") == "train" or file.path.suffix in (".sql", ".sqlite") or file.schema in NO_ITEMS:
                continue
            read, parts = reader(file, _SCHEMAS, "benchmark")
            for item in read(file):
                try:
                    if isinstance(item, BadRecord):
                        raise ValueError(item.reason)
                    yield Item(benchmark, item.where, tuple(parts(item)), source.place, file.schema, item)
                except (ValueError, SyntaxError, RecursionError, MemoryError):  # of `ast.parse`
                    unreadable[benchmark] += 1


@dataclass(frozen=True)
class _WorkedExample:
    where: str
    input: str


def _bbh(file: FetchedFile) -> Iterator[bbh.Question | _WorkedExample | BadRecord]:
    """A task's questions, or the worked examples of a prompt file (.txt)."""
    if file.path.suffix != ".txt":
        return bbh.read(file)
    worked = bbh.read_examples(file).worked
    return (_WorkedExample(f"{file.name}:{number}", example) for number, example in enumerate(worked, 1))


def _mmlu(question: mmlu.Question) -> Parts:
    """The question alone, with its choices without and with letters, and with the right choice: many MMLU questions
    are shorter than one n-gram. Letters are words, but make no text long enough to identify an item."""
    plain = " ".join([question.question, *question.choices])
    lettered = [f"{letter} {choice}" for letter, choice in zip(mmlu.LETTERS, question.choices, strict=True)]
    answer = question.choices[mmlu.LETTERS.index(question.answer)]
    with_letters = " ".join([question.question, *lettered]) if len(words(plain)) >= LEAST_WORDS else ""
    return _texts(question.question, plain, with_letters, f"{question.question} {answer}")


def _gsm8k(problem: gsm8k.Problem) -> Parts:
    """The question, and the solution with and without its calculator steps."""
    return _texts(problem.question, problem.published, problem.solution)


def _humaneval(problem: humaneval.Problem) -> Parts:
    """The docstring and its description as text; the solution, alone and as a function without docstring, as code."""
    module = ast.parse(problem.prompt + problem.canonical_solution)
    functions = [node for node in module.body if isinstance(node, ast.FunctionDef) and node.name == problem.entry_point]
    docstring = ast.get_docstring(functions[-1]) if functions else None
    return _described_function(problem, docstring)


def _described_function(problem: humaneval.Problem, docstring: str | None = None) -> Parts:
    """As `_humaneval`, of a program that need not parse: MINT stripped the solution's first indentation."""
    comments, start = split_comments(problem.prompt, "#")
    if not docstring:
        docstring = comments
    start = start[max(0, start.rfind(f"def {problem.entry_point}")) :]
    return [
        *_texts(docstring, *descriptions(docstring)),
        ("code", problem.canonical_solution),
        *_program(start + problem.canonical_solution),
    ]


def _program(code: str) -> Parts:
    """A Python program in the views that find it under its own and under other names, without its comments."""
    bare = split_comments(code, "#")[1]
    return [("code", bare), ("renamed", bare)]


def _mbpp(problem: mbpp.Problem) -> Parts:
    return [("text", problem.text), ("code", problem.code), *_program(problem.code)]


def _robocodegen(problem: robocodegen.Problem) -> Parts:
    """The query, a comment that names the function and what it takes; the reference's code where it was published."""
    parts = [*_text_and_code(problem.query, problem.query), *_text_and_code("", problem.reference)]
    return [part for part in parts if part[1]]


def _commented_code(text: str, kind: str = "any") -> Parts:
    """The comments of code as text, also without the examples in them; the rest as code."""
    comments, code = split_comments(re.sub(r"^```.*$", "", text, flags=re.MULTILINE), kind)
    return [*_texts(comments, *descriptions(comments)), ("code", code)]


def _question(item: rephrased.Rephrased) -> Parts:
    """The question of "Question: ... Answer: ..."; the answer is not rephrased."""
    question = re.split(r"\n(?:Answer|答案)\s*[:：]", item.text)[0]  # noqa: RUF001
    return [("text", question.removeprefix("Question:"))]


def _text_and_code(text: str, code: str) -> Parts:
    return [("text", text), ("code", code)]


def _texts(*texts: str) -> Parts:
    return [("text", text) for text in dict.fromkeys(texts) if text.strip()]


_SCHEMAS: dict[str, tuple[Callable[[FetchedFile], Iterator[Any]], Callable[[Any], Parts]]] = {
    "alfworld_game": (alfworld.read, lambda game: [("text", game.plan)]),
    "bbh": (_bbh, lambda item: [("text", item.input)]),
    "ds1000": (ds1000.read, lambda problem: _text_and_code(problem.prompt, problem.reference_code)),
    "gsm8k": (gsm8k.read, _gsm8k),
    "humaneval": (humaneval.read, _humaneval),
    "intercode": (intercode.read, lambda task: _text_and_code(task.query, task.gold)),
    "intercode_table": (intercode.read_table, lambda task: _text_and_code(task.query, task.gold)),
    "mbpp": (mbpp.read, _mbpp),
    "mint": (mint.read, lambda task: [("text", task.prompt)]),
    "mint_example": (mint.read_example, lambda example: [("text", example.text)]),
    "mint_humaneval": (humaneval.read, _described_function),
    "mmlu": (mmlu.read, _mmlu),
    "multipl_e": (multipl_e.read, lambda problem: _commented_code(problem.prompt, KINDS.get(problem.language, "any"))),
    "rephrased_code": (rephrased.read, lambda item: _commented_code(item.text)),
    "rephrased_questions": (rephrased.read, _question),
    "robocodegen": (robocodegen.read, _robocodegen),
    "spider": (spider.read, lambda question: _text_and_code(question.question, question.query)),
    "webarena": (webarena.read, lambda task: [("text", task.intent)]),
}
"""By schema of a benchmark's files: the function that reads items, and the one that picks an item's parts."""
