"""Queries with their results, and pages, from published MINT trajectories (schema `mint_episodes`)."""

import ast
import re
import warnings
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from lemur.agents.dialogue.messages import parse
from lemur.agents.search.interface import NOTHING, RESULT_CHARACTERS, RESULT_PAGES, Page, heading
from lemur.core.records import Record
from lemur.sources.fetched import FetchedFile
from lemur.sources.reading.rows import readable, rows

_OBSERVATION = re.compile(r"Observation:\n(.*)\nYou have \d+ steps left and ", re.DOTALL)
_RESULT = re.compile(rf"^(?:Page: (?P<title>.+)\nSummary: |{NOTHING}$)", re.MULTILINE)
_VALUE = re.compile(r"Out\[\d+\]: (.*)", re.DOTALL)
_CUT = "...\n[Output Truncated]"


class Seen(NamedTuple):
    """What one trajectory shows. `pages` are those of `results`; `mentions`: pages in other output, whose text may run
    on into what the program printed next."""

    results: list[tuple[str, str]]
    pages: list[Page]
    mentions: list[Page]


def seen(files: Iterable[FetchedFile]) -> Iterator[Seen]:
    """Of each trajectory. Raises `ValueError` that names the file and line of a record that is none."""
    for file in files:
        yield from readable(rows(file, _seen))


def _seen(where: str, record: Record) -> Seen:
    shown = Seen([], [], [])
    for answer, reply in pairwise(record["state"]["history"]):
        match = _OBSERVATION.match(reply["content"])
        if answer["role"] != "assistant" or not match:
            continue
        results = _results(answer["content"], match[1])
        shown.results.extend(results)
        if results:
            shown.pages.extend(page for _, result in results for page in _pages(result))
        else:
            shown.mentions.extend(_pages(match[1]))
    return shown


def _results(answer: str, observation: str) -> list[tuple[str, str]]:
    """(query, result) of each call, if the program does nothing but show results of literal queries and it is certain
    which text belongs to which call; else none."""
    action = parse(answer)
    if action.kind != "tool" or "wikipedia_search" not in action.text:
        return []
    statements = _statements(action.text)
    if len(statements) == 1 and isinstance(statements[0], ast.Expr) and (query := _query(statements[0].value)):
        text = _shown_value(observation)
        return [(query, text)] if text is not None and _is_result(text) else []
    queries = _printed_queries(statements)
    texts = _divided(observation.removesuffix(_CUT), len(queries))
    if observation.endswith(_CUT):
        texts = texts[:-1]
    return list(zip(queries, texts, strict=False)) if all(_is_result(text) for text in texts) else []


def _divided(observation: str, parts: int) -> list[str]:
    """The texts of this many calls, one a line. Pages of one result have an empty line between them, so a page that
    follows without one begins a result. Where the text of a page ends with an empty line too, it is only certain if
    there are as many pages as calls."""
    starts = [match.start() for match in _RESULT.finditer(observation)]
    if not starts or starts[0]:
        return []
    first = [start for start in starts if start == 0 or observation[start - 2] != "\n"]
    for begin in (first, starts):
        if len(begin) == parts:
            ends = [*(start - 1 for start in begin[1:]), len(observation)]
            return [observation[start:end] for start, end in zip(begin, ends, strict=True)]
    return []


def _is_result(text: str) -> bool:
    starts = [match.start() for match in _RESULT.finditer(text)]
    return starts[:1] == [0] and len(starts) <= RESULT_PAGES and len(text) <= RESULT_CHARACTERS


def _shown_value(observation: str) -> str | None:
    """The string that IPython shows as the value of the last expression."""
    match = _VALUE.fullmatch(observation)
    try:
        value = ast.literal_eval(match[1]) if match else None
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return value if isinstance(value, str) else None


def _statements(code: str) -> list[ast.stmt]:
    """Of a program; none if it does not parse."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about "\s" and the like in the models' strings
            return ast.parse(code).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []


def _printed_queries(statements: Sequence[ast.stmt]) -> list[str]:
    """The queries whose results a program prints, in order, if it does nothing else; else none."""
    named: dict[str, str] = {}
    printed: list[str] = []
    for statement in statements:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if (query := _query(value)) is not None:
                named[name] = query
            case ast.Expr(value=ast.Call(func=ast.Name(id="print"), args=[ast.Name(id=name)], keywords=[])) if (
                name in named
            ):
                printed.append(named[name])
            case ast.Expr(value=ast.Call(func=ast.Name(id="print"), args=[value], keywords=[])) if (
                query := _query(value)
            ) is not None:
                printed.append(query)
            case _:
                return []
    return printed


def _query(node: ast.expr) -> str | None:
    match node:
        case ast.Call(func=ast.Name(id="wikipedia_search"), args=[ast.Constant(value=str(query))], keywords=[]):
            return query
        case ast.Call(
            func=ast.Name(id="wikipedia_search"),
            args=[],
            keywords=[ast.keyword(arg="query", value=ast.Constant(value=str(query)))],
        ):
            return query
    return None


def _pages(text: str) -> list[Page]:
    matches = list(_RESULT.finditer(text))
    ends = [match.start() for match in matches[1:]] + [len(text)]
    return [
        Page(title, text[match.end() : end].removesuffix(_CUT).strip()[: RESULT_CHARACTERS - len(heading(title))])
        for match, end in zip(matches, ends, strict=False)  # without matches, there is one end too many
        if (title := match["title"])
    ]
