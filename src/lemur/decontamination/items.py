"""The items of every benchmark as texts to search for in training data: the parts that identify an item."""

import ast
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from lemur.benchmark_items import (
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
from lemur.sources.fetched import BadRecord, FetchedFile, load
from lemur.sources.reading.rows import reader

View = Literal["text", "code"]
Parts = Iterable[tuple[View, str]]


@dataclass(frozen=True)
class Item:
    """A benchmark item. `parts` are alternative wordings, each of which identifies the item.

    `place`: where its source was fetched from; an item from place bundled belongs to a sample, not to the benchmark.
    """

    benchmark: str
    name: str
    parts: tuple[tuple[View, str], ...]
    place: str = ""


def read_items(folders: Iterable[Path], unreadable: Counter[str]) -> Iterator[Item]:
    """Items of fetched folders `data/raw/<source>/`; a source that was left out (place none) has none.

    A file's benchmark is its `meta.benchmark`, else its source. Skips published training splits, because only items
    that are scored or shown in prompts matter. Counts rows that cannot be read in `unreadable`, by benchmark.
    """
    for folder in folders:
        source = load(folder)
        for file in source.files:
            benchmark = str(file.meta.get("benchmark", source.name))
            if file.meta.get("split") == "train" or file.path.suffix in (".sql", ".sqlite"):
                continue
            read, parts = reader(file, _SCHEMAS, "benchmark")
            for item in read(file):
                try:
                    if isinstance(item, BadRecord):
                        raise ValueError(item.reason)
                    yield Item(benchmark, item.where, tuple(parts(item)), source.place)
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
    """The question, and the question with its choices: many MMLU questions are shorter than one n-gram."""
    return [("text", question.question), ("text", " ".join([question.question, *question.choices]))]


def _gsm8k(problem: gsm8k.Problem) -> Parts:
    return [("text", problem.question), *_if_any("text", problem.published)]


def _humaneval(problem: humaneval.Problem) -> Parts:
    """The docstring as text, the reference solution as code."""
    module = ast.parse(problem.prompt + problem.canonical_solution)
    functions = [node for node in module.body if isinstance(node, ast.FunctionDef) and node.name == problem.entry_point]
    docstring = ast.get_docstring(functions[-1]) or "" if functions else ""
    return [("text", docstring), ("code", problem.canonical_solution)]


def _mint_humaneval(problem: humaneval.Problem) -> Parts:
    """Like `_humaneval`, but MINT stripped the solution's first indentation, so prompt + solution does not parse."""
    (_, docstring), _ = _commented_code(problem.prompt)
    return [("text", docstring), ("code", problem.canonical_solution)]


_COMMENT = re.compile(r'"""(.*?)"""|\'\'\'(.*?)\'\'\'|/\*(.*?)\*/|(?://|#(?!include|define))([^\n]*)', re.DOTALL)


def _commented_code(text: str) -> Parts:
    """Python or C-like code: its comments as text, the rest as code."""
    code = re.sub(r"^```.*$", "", text, flags=re.MULTILINE)
    comments = ["".join(groups) for groups in _COMMENT.findall(code)]
    return [("text", "\n".join(comments)), ("code", _COMMENT.sub("", code))]


def _question(item: rephrased.Rephrased) -> Parts:
    """The question of "Question: ... Answer: ..."; the answer is not rephrased."""
    question = re.split(r"\n(?:Answer|答案)\s*[:：]", item.text)[0]  # noqa: RUF001
    return [("text", question.removeprefix("Question:"))]


def _text_and_code(text: str, code: str) -> Parts:
    return [("text", text), ("code", code)]


def _if_any(view: View, text: str) -> Parts:
    return [(view, text)] if text else []


_SCHEMAS: dict[str, tuple[Callable[[FetchedFile], Iterator[Any]], Callable[[Any], Parts]]] = {
    "bbh": (_bbh, lambda item: [("text", item.input)]),
    "ds1000": (ds1000.read, lambda problem: _text_and_code(problem.prompt, problem.reference_code)),
    "gsm8k": (gsm8k.read, _gsm8k),
    "humaneval": (humaneval.read, _humaneval),
    "intercode": (intercode.read, lambda task: _text_and_code(task.query, task.gold)),
    "intercode_table": (intercode.read_table, lambda task: _text_and_code(task.query, task.gold)),
    "mbpp": (mbpp.read, lambda problem: _text_and_code(problem.text, problem.code)),
    "mint": (mint.read, lambda task: [("text", task.prompt)]),
    "mint_humaneval": (humaneval.read, _mint_humaneval),
    "mmlu": (mmlu.read, _mmlu),
    "multipl_e": (multipl_e.read, lambda problem: _commented_code(problem.prompt)),
    "rephrased_code": (rephrased.read, lambda item: _commented_code(item.text)),
    "rephrased_questions": (rephrased.read, _question),
    "robocodegen": (robocodegen.read, lambda problem: _text_and_code(problem.query, problem.query)),
    "spider": (spider.read, lambda question: _text_and_code(question.question, question.query)),
    "trajectory": (mint.read_trajectory, lambda trajectory: [("text", trajectory.text)]),
    "webarena": (webarena.read, lambda task: [("text", task.intent)]),
}
"""By schema of a benchmark's files: the function that reads items, and the one that picks an item's parts."""
