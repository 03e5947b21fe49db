"""Queries with their results, and pages, from published MINT trajectories (schema `mint_episodes`)."""

import ast
import re
import warnings
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import NamedTuple

from lemur.agents.search.interface import NOTHING, RESULT_CHARACTERS, RESULT_PAGES, Page, heading
from lemur.core.records import Record
from lemur.sources.fetched import FetchedFile
from lemur.sources.reading.rows import readable, rows

_CODE = re.compile(r"<execute>(.*?)</execute>", re.DOTALL)
_OBSERVATION = re.compile(r"Observation:\n(.*)\nYou have \d+ steps left and ", re.DOTALL)
_RESULT = re.compile(rf"^(?:Page: (?P<title>.+)\nSummary: |{NOTHING}$)", re.MULTILINE)
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
        if answer["role"] != "assistant" or not match or not _RESULT.search(match[1]):
            continue
        results = _results(answer["content"], match[1])
        shown.results.extend(results)
        pages = [page for _, result in results for page in _pages(result)]
        (shown.pages if results else shown.mentions).extend(pages or _pages(match[1]))
    return shown


def _results(answer: str, observation: str) -> list[tuple[str, str]]:
    """(query, result) of each call, if the program does nothing but print results of literal queries and it is certain
    which text belongs to which call; else none."""
    queries = _printed_queries("\n".join(code.strip() for code in _CODE.findall(answer)))
    starts = [match.start() for match in _RESULT.finditer(observation)]
    if not queries or not starts or starts[0] or _CUT in observation:
        return []
    if len(queries) == 1:
        whole = len(observation) <= RESULT_CHARACTERS and len(starts) <= RESULT_PAGES
        return [(queries[0], observation)] if whole else []
    # As many pages as calls: each call found one page, or nothing.
    if len(starts) != len(queries):
        return []
    ends = [*(start - 1 for start in starts[1:]), len(observation)]
    return [(query, observation[start:end]) for query, start, end in zip(queries, starts, ends, strict=True)]


def _printed_queries(code: str) -> list[str]:
    """The queries whose results `code` prints, in order, if it does nothing else; else none."""
    if "wikipedia_search" not in code:
        return []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about "\s" and the like in the models' strings
            statements = ast.parse(code).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
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
    ends = [*(match.start() for match in matches[1:]), len(text)]
    return [
        Page(title, text[match.end() : end].removesuffix(_CUT).strip()[: RESULT_CHARACTERS - len(heading(title))])
        for match, end in zip(matches, ends, strict=True)
        if (title := match["title"])
    ]
