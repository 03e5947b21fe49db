"""The tool as the model sees it: its description, its limits and the text it returns (MINT, mint/tools/)."""

from collections.abc import Iterable
from typing import NamedTuple, Protocol

from lemur.core.records import Record

DESCRIPTION = """\
[1] wikipedia_search(query: str) -> str
The Wikipedia Search tool provides access to a vast collection of articles covering a wide range of topics.
Can query specific keywords or topics to retrieve accurate and comprehensive information.
"""
NOTHING = "Wikipedia Search Result was found"
"""What MINT's tool says when it found nothing."""
QUERY_CHARACTERS = 300
RESULT_CHARACTERS = 1000
RESULT_PAGES = 2


class Page(NamedTuple):
    title: str
    text: str


class Search(Protocol):
    def search(self, query: str) -> str:
        """At most 1,000 characters; equal queries give equal results, except from the live Wikipedia. Raises
        `TypeError` if `query` is no string, `EnvironmentFault` if the search itself fails."""
        ...

    def record(self) -> Record:
        """What a result file says about it: `kind`, and sizes and sha256 of what it searches."""
        ...


def used(query: str) -> str:
    """The part of a query that is looked up. Raises `TypeError` if it is no string, as model code may."""
    if not isinstance(query, str):
        raise TypeError(f"wikipedia_search(query) takes a string, not {type(query).__name__}")
    return query[:QUERY_CHARACTERS].strip()


def result(pages: Iterable[Page]) -> str:
    """The text that MINT's tool returns for these pages, best first."""
    return "\n\n".join(heading(page.title) + page.text for page in pages)[:RESULT_CHARACTERS] or NOTHING


def heading(title: str) -> str:
    return f"Page: {title}\nSummary: "
