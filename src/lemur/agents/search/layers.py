"""The layers in their order: recorded queries first, then what the parameter names."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from lemur.agents.search.interface import NOTHING, Search
from lemur.agents.search.live import Live
from lemur.agents.search.local import LocalPages
from lemur.agents.search.pages import one_per_title, published_pages, read_pages, users_pages
from lemur.agents.search.published import seen
from lemur.agents.search.recorded import Recorded, read_queries
from lemur.core.params import StageParams
from lemur.core.records import Record
from lemur.sources.fetched import FetchedFile
from lemur.sources.reading.rows import readable

CORPUS = "LEMUR_WIKIPEDIA"


class SearchParams(StageParams):
    """Where `wikipedia_search` looks; a score says which, and is comparable only with scores of the same kind."""

    recorded: bool = Field(description="first answer queries that published trajectories asked, with their results")
    behind: Literal["local", "corpus", "live", "none"] = Field(
        description="for other queries: BM25 over the source's pages (local) or over a user's own (corpus: JSON lines "
        "{title, text} in the file LEMUR_WIKIPEDIA); the live Wikipedia; or nothing is found"
    )
    corpus_sha256: str | None = Field(None, pattern="^[0-9a-f]{64}$", description="checksum of a user's own pages")

    @model_validator(mode="after")
    def consistent(self) -> "SearchParams":
        if (self.behind == "corpus") != (self.corpus_sha256 is not None):
            raise ValueError("corpus_sha256 is needed with behind: corpus, and only there")
        return self


class Layers:
    """Recorded queries, then `behind`. Threads may share it."""

    def __init__(self, recorded: Recorded, kind: str, behind: Search | None) -> None:
        self._recorded = recorded
        self._kind = kind
        self._behind = behind

    @property
    def kind(self) -> str:
        """Such as recorded+local-wiki: the layers that can answer."""
        layers = ["recorded"] * (len(self._recorded) > 0) + [self._kind] * (self._behind is not None)
        return "+".join(layers) or "none"

    def search(self, query: str) -> str:
        recorded = self._recorded.find(query)
        if recorded is not None:
            return recorded
        return self._behind.search(query) if self._behind else NOTHING

    def record(self) -> Record:
        behind = {self._kind: self._behind.record()} if self._behind else {}
        return {"kind": self.kind, "recorded": self._recorded.record(), **behind}


def open_search(files: Iterable[FetchedFile], params: SearchParams) -> Layers:
    """With the files of the fetched source `mint`; reads them once and builds the index, which takes seconds.

    Raises `ValueError` for a bad record, and for a corpus that is missing or not the one that the parameter names.
    """
    files = list(files)
    trajectories = list(seen(file for file in files if file.schema == "mint_episodes"))
    results: list[tuple[str, str]] = []
    if params.recorded:
        results += [result for shown in trajectories for result in shown.results]
        results += [result for file in files if file.schema == "search_queries" for result in read_queries(file)]
    recorded = Recorded(results)
    match params.behind:
        case "local":
            pages = published_pages(trajectories)
            for file in files:
                if file.schema == "search_pages":
                    pages += readable(read_pages(file))
            return Layers(recorded, "local-wiki", LocalPages(one_per_title(pages)))
        case "corpus":
            return Layers(recorded, "own-wiki", LocalPages(users_pages(_corpus(), params.corpus_sha256 or "")))
        case "live":
            return Layers(recorded, "live-wiki", Live())
        case "none":
            return Layers(recorded, "", None)


def _corpus() -> Path:
    value = os.environ.get(CORPUS, "")
    if not value:
        raise ValueError(f"search.behind: corpus reads pages from a file: set {CORPUS} to its path (docs/agents.md)")
    return Path(value)
