"""The items of every benchmark as texts to look for in training data, out of the fetched sources that hold them."""

import ast
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from lemur.core.records import Record, read_json
from lemur.sources.containers import reader, records
from lemur.sources.fetched import BadRecord, FetchedFile, load

View = Literal["text", "code"]
Parts = Iterable[tuple[View, str]]


@dataclass(frozen=True)
class Item:
    """One benchmark item: `parts` are alternative wordings, any of which gives the item away.

    `place`: where its source was fetched from; a bundled one is a sample and not the benchmark.
    """

    benchmark: str
    name: str
    parts: tuple[tuple[View, str], ...]
    place: str = ""


def read_items(folders: Iterable[Path], unreadable: Counter[str]) -> Iterator[Item]:
    """Items of fetched folders `data/raw/<source>/`; a source left out (place none) has none.

    A file's benchmark is its `meta.benchmark`, else its source. Published training splits are left out: only what is
    scored or shown in prompts matters. Counts rows that are not as expected in `unreadable`, by benchmark.
    """
    for folder in folders:
        source = load(folder)
        for file in source.files:
            benchmark = str(file.meta.get("benchmark", source.name))
            if file.meta.get("split") == "train" or file.path.suffix in (".sql", ".sqlite"):
                continue
            rows, parts = reader(file, _SCHEMAS, "benchmark")
            for name, row in rows(file):
                try:
                    if isinstance(row, BadRecord):
                        raise TypeError(row.reason)
                    yield Item(benchmark, name, tuple(parts(row)), source.place)
                except (KeyError, IndexError, TypeError, ValueError, SyntaxError, AttributeError):
                    unreadable[benchmark] += 1


def _records(file: FetchedFile) -> Iterator[tuple[str, Any]]:
    for item in records(file):
        yield (item.where, item) if isinstance(item, BadRecord) else item


def _whole(file: FetchedFile) -> Iterator[tuple[str, Any]]:
    yield file.name, file.path.read_text(encoding="utf-8", errors="replace")


def _bbh_rows(file: FetchedFile) -> Iterator[tuple[str, Any]]:
    """A task's examples; of a prompt file (.txt) its worked examples."""
    if file.path.suffix == ".txt":
        blocks = file.path.read_text(encoding="utf-8").split("\nQ: ")[1:]
        yield from ((f"{file.name}:{number}", {"input": block}) for number, block in enumerate(blocks, 1))
    else:
        yield from _numbered(file, read_json(file.path)["examples"])


def _table_rows(file: FetchedFile) -> Iterator[tuple[str, Any]]:
    """Rows of a CSV file under its line of names."""
    (_, names), *rows = _records(file)
    return ((where, dict(zip(names, row, strict=True))) for where, row in rows)


def _numbered(file: FetchedFile, rows: Iterable[Any]) -> Iterator[tuple[str, Any]]:
    return ((f"{file.name}:{number}", row) for number, row in enumerate(rows))


def _fields(text: tuple[str, ...], code: tuple[str, ...] = ()) -> Callable[[Record], Parts]:
    """Parts that are fields of a record; the first of each kind must be there."""

    def parts(row: Record) -> Parts:
        for view, names in (("text", text), ("code", code)):
            yield from ((view, str(row[name])) for name in names[:1])  # type: ignore[misc]
            yield from ((view, str(row[name])) for name in names[1:] if row.get(name))  # type: ignore[misc]

    return parts


def _mmlu(row: list[str]) -> Parts:
    """The question, and the question with its options: many MMLU questions are shorter than one n-gram."""
    question, *options = row[:5]
    if len(row) != 6:
        raise ValueError(f"{len(row)} columns, 6 expected")
    return [("text", question), ("text", " ".join([question, *options]))]


def _humaneval(row: Record) -> Parts:
    """The docstring as text, the reference solution as code."""
    solution = str(row["canonical_solution"])
    module = ast.parse(str(row["prompt"]) + solution)
    functions = [node for node in module.body if isinstance(node, ast.FunctionDef) and node.name == row["entry_point"]]
    docstring = ast.get_docstring(functions[-1]) or "" if functions else ""
    return [("text", docstring), ("code", solution)]


def _mint_humaneval(row: Record) -> Parts:
    """As HumanEval's; MINT stripped the solution's first indentation, so prompt and solution do not parse together."""
    (_, docstring), _ = _commented_code({"text": row["prompt"]})
    return [("text", docstring), ("code", str(row["canonical_solution"]))]


_COMMENT = re.compile(r'"""(.*?)"""|\'\'\'(.*?)\'\'\'|/\*(.*?)\*/|(?://|#(?!include|define))([^\n]*)', re.DOTALL)


def _commented_code(row: Record) -> Parts:
    """Python or C-like code: what its comments say as text, the rest as code."""
    code = re.sub(r"^```.*$", "", str(row["text"]), flags=re.MULTILINE)
    comments = ["".join(found) for found in _COMMENT.findall(code)]
    return [("text", "\n".join(comments)), ("code", _COMMENT.sub("", code))]


def _question(row: Record) -> Parts:
    """ "Question: ... Answer: ...", of which only the question is worded anew."""
    question = re.split(r"\n(?:Answer|答案)\s*[:：]", str(row["text"]))[0]  # noqa: RUF001
    return [("text", question.removeprefix("Question:"))]


def _text(text: str) -> Parts:
    return [("text", text)]


_Rows = Callable[[FetchedFile], Iterator[tuple[str, Any]]]
_SCHEMAS: dict[str, tuple[_Rows, Callable[[Any], Parts]]] = {
    "bbh": (_bbh_rows, _fields(("input",))),
    "ds1000": (_records, _fields(("prompt",), ("reference_code",))),
    "gsm8k": (_records, _fields(("question", "answer"))),
    "humaneval": (_records, _humaneval),
    "intercode": (_records, _fields(("query",), ("gold",))),
    "intercode_table": (_table_rows, _fields(("query",), ("gold",))),
    "mbpp": (_records, _fields(("text",), ("code",))),
    "mint": (_records, _fields(("prompt",))),
    "mint_humaneval": (_records, _mint_humaneval),
    "mmlu": (_records, _mmlu),
    "multipl_e": (_records, lambda row: _commented_code({"text": row["prompt"]})),
    "rephrased_code": (_records, _commented_code),
    "rephrased_questions": (_records, _question),
    "robocodegen": (lambda file: _numbered(file, read_json(file.path)["problems"]), _fields(("query",), ("query",))),
    "spider": (_records, _fields(("question",), ("query",))),
    "trajectory": (_whole, _text),
    "webarena": (_records, _fields(("intent",))),
}
"""Schema of a benchmark's files: how its rows are read, and which texts of a row give it away."""
