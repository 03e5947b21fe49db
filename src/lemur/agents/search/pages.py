"""The pages that a local search looks through."""

from collections.abc import Iterable, Iterator
from hashlib import sha256
from itertools import islice
from pathlib import Path

from lemur.agents.search.interface import RESULT_CHARACTERS, Page
from lemur.agents.search.published import Seen
from lemur.core.records import Record
from lemur.sources.fetched import BadRecord, FetchedFile
from lemur.sources.reading.rows import readable, rows, texts

MOST_PAGES = 200_000
"""Of a user's own corpus; 100,000 pages take about 0.4 GB and 15 s to index."""


def read_pages(file: FetchedFile) -> Iterator[Page | BadRecord]:
    """Schema `search_pages`: records {title, text}. Only what a result can show of a text is kept, so that memory is
    bounded by the number of pages: 1,000 characters each."""
    return rows(file, _page)


def _page(where: str, record: Record) -> Page:
    title, text = texts(record, "title", "text")
    return Page(title, text[:RESULT_CHARACTERS])


def one_per_title(pages: Iterable[Page]) -> list[Page]:
    """The page with the longest text of each title, in order of titles: results were cut at different places."""
    longest: dict[str, Page] = {}
    for page in pages:
        kept = longest.setdefault(page.title, page)
        if (-len(page.text), page.text) < (-len(kept.text), kept.text):
            longest[page.title] = page
    return [longest[title] for title in sorted(longest)]


def published_pages(trajectories: Iterable[Seen]) -> list[Page]:
    """The pages that published trajectories show; one from a program's other output only where no result has it."""
    of_results: list[Page] = []
    mentions: list[Page] = []
    for seen in trajectories:
        of_results += seen.pages
        mentions += seen.mentions
    pages = {page.title: page for page in (*one_per_title(mentions), *one_per_title(of_results))}
    return [pages[title] for title in sorted(pages)]


def users_pages(path: Path, expected_sha256: str) -> list[Page]:
    """A user's own corpus: JSON lines {title, text}, compressed or not. Raises `ValueError` if the file is another one
    than the parameter says, or names a bad record."""
    digest = sha256()
    try:
        with path.open("rb") as content:
            while chunk := content.read(1 << 20):
                digest.update(chunk)
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror or error}; the corpus of pages cannot be read") from None
    if digest.hexdigest() != expected_sha256:
        raise ValueError(
            f"{path}: sha256 is {digest.hexdigest()}, the parameter says {expected_sha256}: results depend on the "
            "pages, so name this file's checksum in params.yaml, or get the other file again"
        )
    pages = readable(islice(read_pages(FetchedFile(path.parent, path.name, "search_pages", "", {})), MOST_PAGES + 1))
    if len(pages) > MOST_PAGES:
        raise ValueError(f"{path}: more than {MOST_PAGES:,} pages, which is the limit; keep those that the tasks need")
    return one_per_title(pages)
