"""The second layer: BM25 (Robertson and Zaragoza 2009) over pages on this machine, in place of Wikipedia's search."""

import logging
import sys
from collections.abc import Sequence
from functools import partial
from hashlib import sha256
from types import ModuleType

import numpy as np

from lemur.agents.search.interface import RESULT_PAGES, Page, result, used
from lemur.core.records import Record, dump

TITLE_WEIGHT = 2.0
DECIMALS = 6
"""Scores are compared after rounding: the last bits of a logarithm depend on the processor."""


class LocalPages:
    """Pages with different titles, indexed once; searches change nothing, so threads may share it.

    A page whose title is the query comes first. The others are ordered by the BM25 of title and text together plus
    twice that of the title alone; equal scores by title. Pages without any word of the query are not found.
    """

    def __init__(self, pages: Sequence[Page]) -> None:
        self._pages = sorted(pages)
        self._by_title = {page.title.casefold(): number for number, page in reversed(list(enumerate(self._pages)))}
        self._whole = _Index([f"{page.title} {page.text}" for page in self._pages])
        self._titles = _Index([page.title for page in self._pages])

    def find(self, query: str) -> list[Page]:
        """The best pages, at most two. Raises `TypeError` if `query` is no string."""
        query = used(query)
        scores = np.round(self._whole.scores(query) + TITLE_WEIGHT * self._titles.scores(query), DECIMALS)
        if (same := self._by_title.get(query.casefold())) is not None:
            scores[same] = np.inf
        best = np.argsort(-scores, kind="stable")[:RESULT_PAGES]  # stable: equal scores stay in order of titles
        return [self._pages[number] for number in best if scores[number] > 0]

    def search(self, query: str) -> str:
        return result(self.find(query))

    def record(self) -> Record:
        digest = sha256()
        for page in self._pages:
            digest.update(dump(page).encode() + b"\n")
        return {"pages": len(self._pages), "sha256": digest.hexdigest()}


class _Index:
    """BM25 as Lucene computes it (k1 1.5, b 0.75) over words of two letters or more, without English stop words."""

    def __init__(self, texts: Sequence[str]) -> None:
        bm25s = _bm25s()
        self._tokenize = partial(bm25s.tokenize, stopwords="en", show_progress=False)
        tokens = self._tokenize(list(texts))
        self._count = len(texts)
        self._index = bm25s.BM25(method="lucene", k1=1.5, b=0.75, dtype="float64", backend="numpy")
        self._usable = any(tokens.ids)
        if self._usable:
            self._index.index(tokens, show_progress=False)

    def scores(self, query: str) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
        """(pages,) float64, zero where no word of the query occurs."""
        words = self._tokenize(query, return_ids=False)[0]
        known = self._index.get_tokens_ids(words) if self._usable else []
        scores = self._index.get_scores_from_ids(known) if known else np.zeros(self._count)
        return np.asarray(scores, dtype=np.float64)


def _bm25s() -> ModuleType:
    """The library, imported without JAX and numba. With JAX it runs a program on the accelerator when it is imported,
    which takes the device's memory, and fixes XLA's settings before the numerics profile does."""
    hidden = [name for name in ("jax.lax", "numba") if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None: importing it fails
    try:
        import bm25s
    finally:
        for name in hidden:
            del sys.modules[name]
    logging.getLogger("bm25s").setLevel(logging.WARNING)  # importing it sets DEBUG
    return bm25s
