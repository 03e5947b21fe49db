"""N-gram overlap between training data and the benchmarks.

An item is split into n-grams in two views:

* text: NFKC, case-folded words (runs of letters and digits; snake_case splits; a CJK character is a word by itself), so
  that changed punctuation, line breaks, case or identifier style do not hide a copy. n = 13 is GPT-3's upper bound
  (Brown et al. 2020, appendix C).
* code: lexical tokens (names, numbers, single operator characters), so that changed indentation or line breaks do not
  hide a copy.

A part with fewer than n tokens counts as a single n-gram if it has at least 8/13 of n tokens. Shorter parts could match
by chance; `summary()["uncheckable"]` counts the items that have no longer part.

A single shared n-gram is weak evidence: 13 words of MMLU may quote a well-known text, and thousands of programs contain
24 tokens of HumanEval's is_prime loop. So users of `find` compare `Match.share` with a threshold (PaLM's was 70 %).
"""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field

from lemur.core.params import StageParams
from lemur.core.records import Record
from lemur.decontamination.items import Item, View, read_items

Action = Literal["remove", "report", "ignore"]
REMOVE: Action = "remove"
SHOWN = 50  # a report shows at most this many overlaps, and item names per benchmark
SHORTEST_SHARE = 8 / 13  # from GPT-3's bounds for n: items of 8 to 13 words count as one n-gram
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\W_\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+")
_CODE = re.compile(r"[^\W\d]\w*|\d+|[^\w\s]")


class OverlapParams(StageParams):
    """Parameters of a stage that compares its data with the benchmarks."""

    benchmarks: dict[str, Action] = Field(
        description="what to do about overlap with each benchmark: remove (the default), report or ignore"
    )
    ngram: int = Field(ge=4, description="words in an n-gram of text")
    code_ngram: int = Field(ge=4, description="tokens in an n-gram of code")
    minimum_share: float = Field(
        gt=0, le=1, description="smallest share of an item's n-grams that counts as an overlap"
    )


@dataclass(frozen=True)
class Match:
    """A benchmark item that a text overlaps. `share`: of the best matching part's distinct n-grams, in (0, 1]."""

    benchmark: str
    item: str
    view: View
    share: float
    ngram: str


def words(text: str) -> list[str]:
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())


def code_tokens(text: str) -> list[str]:
    return _CODE.findall(text)


_TOKENS: dict[View, Callable[[str], list[str]]] = {"text": words, "code": code_tokens}


class BenchmarkIndex:
    """All n-grams of the benchmarks' items. Build it once, then call `find` for each document."""

    def __init__(
        self, items: Iterable[Item], *, ngram: int, code_ngram: int, unreadable: Counter[str] | None = None
    ) -> None:
        """`ngram` words, `code_ngram` tokens. `unreadable` counts items that the caller could not read."""
        views: dict[View, _View] = {"text": _View(ngram), "code": _View(code_ngram)}
        self._views = views
        self._parts: list[tuple[Item, View, int]] = []  # item, view, distinct n-grams
        self._items: Counter[str] = Counter()
        self._places: dict[str, str] = {}
        self._uncheckable: Counter[str] = Counter()
        self._unreadable = Counter() if unreadable is None else unreadable
        for item in items:
            self._items[item.benchmark] += 1
            self._places[item.benchmark] = item.place
            added = 0
            for view, text in item.parts:
                grams = views[view].add(_TOKENS[view](text), len(self._parts))
                if grams:
                    self._parts.append((item, view, grams))
                    added += 1
            if not added:
                self._uncheckable[item.benchmark] += 1
        for view_index in views.values():
            view_index.freeze()

    @classmethod
    def from_sources(cls, *folders: Path, ngram: int, code_ngram: int) -> "BenchmarkIndex":
        """Index the fetched folders `data/raw/<benchmark>/`. A source that was left out (place none) has no items."""
        unreadable: Counter[str] = Counter()
        return cls(read_items(folders, unreadable), ngram=ngram, code_ngram=code_ngram, unreadable=unreadable)

    def find(self, text: str) -> list[Match]:
        """Every item that shares an n-gram with `text`, by decreasing share, then by benchmark and item."""
        best: dict[tuple[str, str], Match] = {}
        for view, index in self._views.items():
            for part, grams in index.find(_TOKENS[view](text)).items():
                item, _, total = self._parts[part]
                match = Match(item.benchmark, item.name, view, len(grams) / total, min(grams))
                previous = best.get((item.benchmark, item.name))
                if previous is None or (previous.share, previous.view) < (match.share, match.view):
                    best[item.benchmark, item.name] = match
        return sorted(best.values(), key=lambda match: (-match.share, match.benchmark, match.item))

    def summary(self) -> Record:
        """Per benchmark: items indexed, their place, items too short to check, and rows that could not be read."""
        return {
            name: {
                "items": self._items[name],
                "place": self._places.get(name),
                "uncheckable": self._uncheckable[name],
                "unreadable": self._unreadable[name],
            }
            for name in sorted(self._items | self._unreadable)
        }


class Overlaps:
    """Decide what happens to texts that overlap benchmark items, by each benchmark's action, and report it."""

    def __init__(self, index: BenchmarkIndex, actions: Mapping[str, Action], minimum_share: float) -> None:
        """`actions` by benchmark; overlaps with one that is not named are removed."""
        self._index = index
        self._actions = {**dict.fromkeys(index.summary(), REMOVE), **actions}
        self._minimum_share = minimum_share
        self._pairs: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._items: defaultdict[str, set[str]] = defaultdict(set)
        self._shown: list[Record] = []

    @classmethod
    def with_sources(cls, params: OverlapParams, *folders: Path) -> "Overlaps":
        """With the benchmarks in the fetched folders `data/raw/<benchmark>/`."""
        index = BenchmarkIndex.from_sources(*folders, ngram=params.ngram, code_ngram=params.code_ngram)
        return cls(index, params.benchmarks, params.minimum_share)

    def judge(self, identifier: str, text: str) -> Record | None:
        """The overlap with the largest share that requires removing the text; None if the text stays."""
        removed: Record | None = None
        for match in self._index.find(text):
            action = self._actions[match.benchmark]
            if action == "ignore":
                continue
            overlaps = match.share >= self._minimum_share
            kind = "below_share" if not overlaps else "removed" if action == "remove" else "reported"
            self._pairs[match.benchmark][kind] += 1
            if not overlaps:
                continue
            self._items[match.benchmark].add(match.item)
            overlap = {**vars(match), "share": round(match.share, 4)}
            if len(self._shown) < SHOWN:
                self._shown.append({"id": identifier, "action": kind, **overlap})
            if kind == "removed" and removed is None:
                removed = overlap
        return removed

    def report(self) -> Record:
        """The indexed benchmarks, the benchmarks of params.yaml that were not checked and why, (text, item) pairs by
        outcome, and the items that occur in the data."""
        benchmarks = self._index.summary()
        compared = {name for name, row in benchmarks.items() if row["items"] > row["uncheckable"]}
        return {
            "benchmarks": benchmarks,
            "not_checked": {
                name: "ignored" if action == "ignore" else "no items to compare with"
                for name, action in sorted(self._actions.items())
                if action == "ignore" or name not in compared
            },
            "overlaps": {
                "pairs": {name: dict(sorted(kinds.items())) for name, kinds in sorted(self._pairs.items())},
                "items": {
                    name: {"count": len(items), "first": sorted(items)[:SHOWN]}
                    for name, items in sorted(self._items.items())
                },
                "shown": self._shown,
            },
        }


class _View:
    """n-grams of one view. Words become numbers: a document costs one dictionary look-up per word plus numpy work."""

    def __init__(self, ngram: int) -> None:
        self._ngram = ngram
        self._shortest = max(1, round(ngram * SHORTEST_SHARE))
        self._vocabulary: dict[str, int] = {}
        self._grams: dict[int, dict[bytes, list[int]]] = defaultdict(dict)
        self._hashes: dict[int, np.ndarray] = {}

    def add(self, tokens: list[str], part: int) -> int:
        """Index one part; return the number of its distinct n-grams, 0 if the part is too short to check."""
        if len(tokens) < self._shortest:
            return 0
        size = min(self._ngram, len(tokens))
        ids = np.array([self._vocabulary.setdefault(token, len(self._vocabulary) + 1) for token in tokens], np.uint32)
        grams = {ids[start : start + size].tobytes() for start in range(len(ids) - size + 1)}
        for gram in sorted(grams):
            self._grams[size].setdefault(gram, []).append(part)
        return len(grams)

    def freeze(self) -> None:
        for size, grams in sorted(self._grams.items()):
            rows = np.frombuffer(b"".join(grams), np.uint32).reshape(len(grams), size)
            self._hashes[size] = np.unique((rows * _powers(_FACTOR, size)).sum(axis=1))

    def find(self, tokens: list[str]) -> dict[int, set[str]]:
        """{part: those of its n-grams that occur in `tokens`}."""
        get = self._vocabulary.get
        ids = np.array([get(token, 0) for token in tokens], np.uint32)
        hashed = _Hashes(ids)
        unknown = np.concatenate([np.zeros(1, np.int64), np.cumsum(ids == 0)])
        matches: defaultdict[int, set[str]] = defaultdict(set)
        for size, hashes in self._hashes.items():
            if len(ids) < size:
                continue
            # Skip the many windows with a word that no benchmark has.
            starts = np.flatnonzero(unknown[size:] == unknown[:-size])
            windows = hashed.windows(size)[starts]
            places = np.searchsorted(hashes, windows)
            places[places == len(hashes)] = 0
            for start in starts[hashes[places] == windows].tolist():
                # The hash only preselects; the n-grams themselves must be equal.
                for part in self._grams[size].get(ids[start : start + size].tobytes(), ()):
                    matches[part].add(" ".join(tokens[start : start + size]))
        return matches


# The hash of tokens t_0, t_1, ... is the sum of t_j * FACTOR^j modulo 2^64. FACTOR is odd, so it has an inverse, with
# which one running sum gives the hashes of all windows of any size.
_FACTOR = 0x9E3779B97F4A7C15
_INVERSE = pow(_FACTOR, -1, 1 << 64)


class _Hashes:
    """Hashes of the windows of one document."""

    def __init__(self, ids: np.ndarray) -> None:
        self._sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(ids * _powers(_FACTOR, len(ids)))])

    def windows(self, size: int) -> np.ndarray:
        count = len(self._sums) - size
        return (self._sums[size:] - self._sums[:count]) * _powers(_INVERSE, count)


@lru_cache(maxsize=64)
def _power_table(base: int, length: int) -> np.ndarray:
    table = np.full(length, base, np.uint64)
    table[0] = 1
    return np.cumprod(table)


def _powers(base: int, length: int) -> np.ndarray:
    """base^0 ... base^(length - 1) modulo 2^64, from a few cached tables whose lengths double."""
    return _power_table(base, max(1024, 1 << length.bit_length()))[:length]
