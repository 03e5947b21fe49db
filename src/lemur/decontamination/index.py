"""N-gram overlap between training data and the benchmarks.

An item is split into n-grams in four views:

* text: NFKC, case-folded words (runs of letters and digits; snake_case splits; a CJK character is a word by itself), so
  that changed punctuation, line breaks, case or identifier style do not hide a copy. n = 13 is GPT-3's upper bound
  (Brown et al. 2020, appendix C).
* gapped: short runs of words of short items, so that an inserted clause does not hide a copy. Only runs within a
  stretch of the document about as long as the item count together, and runs that many items hold do not count.
* code: lexical tokens (names, numbers, single operator characters), so that changed indentation or line breaks do not
  hide a copy.
* renamed: the same, where a name counts by its last occurrence within the n-gram, so that other names do not hide a
  copy of a Python program.

A part with fewer than n tokens counts as a single n-gram if it has at least 8/13 of n tokens. Shorter parts could match
by chance; `summary()["uncheckable"]` counts the items that have no longer part.

A single shared n-gram is weak evidence: 13 words of MMLU may quote a well-known text, and thousands of programs contain
24 tokens of HumanEval's is_prime loop. So users of `find` compare `Match.share` with a threshold (PaLM's was 70 %).
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from lemur.core.records import Record
from lemur.core.recurrence import since_last
from lemur.decontamination.items import Item
from lemur.decontamination.ngrams import Grams, Hits, Tokens, Vocabulary
from lemur.decontamination.views import Code, View, code, code_tokens, words

SHORTEST_SHARE = 8 / 13  # from GPT-3's bounds for n: items of 8 to 13 words count as one n-gram
RENAMED_LEAST = 4 / 3  # of n: shorter programs of the same shape look alike without being copies
GAPPED = 4  # words of a gapped n-gram; with 3, twice as many clean documents match
GAPPED_PART = range(8, 65)  # words of a part; in a longer one a clause breaks less than half of the 13-grams
GAPPED_STRETCH = 1.5  # times the part's words, and GAPPED_EXTRA more: the longest stretch that counts together
GAPPED_EXTRA = 8
GAPPED_SHARE = 0.5
GAPPED_WORDS = 10  # that a stretch must share with the part, or all if the part is shorter
GAPPED_ITEMS = 24  # items at most that a gapped n-gram may occur in; MultiPL-E has each problem in 19 languages
NAME = "\0"  # the token of every name that a copy can change


@dataclass(frozen=True)
class Match:
    """A benchmark item that a text overlaps. `share`: of the best matching part's distinct n-grams, in (0, 1]."""

    benchmark: str
    item: str
    view: View
    share: float
    ngram: str


class BenchmarkIndex:
    """All n-grams of the benchmarks' items. Build it once, then call `find` for each document."""

    def __init__(
        self, items: Iterable[Item], *, ngram: int, code_ngram: int, unreadable: Counter[str] | None = None
    ) -> None:
        """`ngram` words, `code_ngram` tokens. `unreadable` counts items that the caller could not read."""
        self._sizes: dict[View, int] = {"text": ngram, "gapped": GAPPED, "code": code_ngram, "renamed": code_ngram}
        self._grams: dict[View, Grams] = {view: Grams() for view in self._sizes}
        self._words, self._code = Vocabulary(), Vocabulary()
        self._name = self._code.add([NAME])
        self._items: list[Item] = []
        self._parts: list[tuple[int, View, int]] = []  # number of the item, view, tokens
        self._unreadable = Counter() if unreadable is None else unreadable
        self._counts: Counter[str] = Counter()
        self._places: dict[str, str] = {}
        self._uncheckable: Counter[str] = Counter()
        for item in items:
            before = len(self._parts)
            for view, text in item.parts:
                self._add(len(self._items), view, text)
            self._items.append(Item(item.benchmark, item.name, (), item.place))
            self._counts[item.benchmark] += 1
            self._places[item.benchmark] = item.place
            self._uncheckable[item.benchmark] += len(self._parts) == before
        item_of = np.array([item for item, *_ in self._parts], np.int64)
        self._totals: dict[int, int] = {}
        for view, grams in self._grams.items():
            self._totals |= grams.freeze(item_of, GAPPED_ITEMS) if view == "gapped" else grams.freeze()

    def _add(self, item: int, view: View, text: str) -> None:
        size = self._sizes[view]
        if view == "text":
            prose = words(text)
            tokens = Tokens(self._words.add(prose))
            if len(prose) in GAPPED_PART and sum(any(map(str.isalpha, word)) for word in prose) >= GAPPED_PART[0]:
                self._add_part(item, "gapped", tokens, GAPPED)
        else:
            program = code(code_tokens(text))
            literal, blind = self._views_of(program, self._code.add(program.distinct))
            tokens = literal if view == "code" else blind
        shortest = size * (RENAMED_LEAST if view == "renamed" else SHORTEST_SHARE)
        if len(tokens.ids) >= max(1, round(shortest)):
            self._add_part(item, view, tokens, min(size, len(tokens.ids)))

    def _add_part(self, item: int, view: View, tokens: Tokens, size: int) -> None:
        self._grams[view].add(len(self._parts), tokens, size)
        self._parts.append((item, view, len(tokens.ids)))

    def _views_of(self, program: Code, numbers: np.ndarray) -> tuple[Tokens, Tokens]:
        """A program's tokens, and the same without its names, from the numbers of its distinct tokens."""
        ids = numbers[program.numbers]
        ago = np.where(program.is_name, since_last(program.numbers), np.uint64(0))
        return Tokens(ids), Tokens(np.where(program.is_name, self._name, ids), ago)

    def find(self, text: str) -> list[Match]:
        """Every item that shares an n-gram with `text`, by decreasing share, then by benchmark and item."""
        prose, symbols = words(text), code_tokens(text)
        program = code(symbols)
        numbered = Tokens(self._words.look_up(prose))
        literal, blind = self._views_of(program, self._code.look_up(program.distinct))
        tokens: dict[View, tuple[list[str], Tokens]] = {
            "text": (prose, numbered),
            "gapped": (prose, numbered),
            "code": (symbols, literal),
            "renamed": (symbols, blind),
        }
        best: dict[int, Match] = {}
        for view, (strings, ids) in tokens.items():
            for hits in self._grams[view].find(ids):
                shares = self._gapped_shares(hits) if view == "gapped" else self._shares(hits)
                for part, share, start in shares:
                    number = self._parts[part][0]
                    previous = best.get(number)
                    if previous is None or (previous.share, previous.view) < (share, view):
                        item = self._items[number]
                        ngram = " ".join(strings[start : start + hits.size])
                        best[number] = Match(item.benchmark, item.name, view, share, ngram)
        return sorted(best.values(), key=lambda match: (-match.share, match.benchmark, match.item))

    def _shares(self, hits: Hits) -> Iterable[tuple[int, float, int]]:
        """(part, share of its distinct n-grams, place of its first n-gram)."""
        pairs = np.unique(np.stack([hits.part, hits.gram]), axis=1)
        parts, counts = np.unique(pairs[0], return_counts=True)
        _, first = np.unique(hits.part, return_index=True)
        for part, count, at in zip(parts.tolist(), counts.tolist(), first.tolist(), strict=True):
            yield part, count / self._totals[part], int(hits.start[at])

    def _gapped_shares(self, hits: Hits) -> Iterable[tuple[int, float, int]]:
        """(part, share of its n-grams that one stretch of the document has in their order, start of that stretch)."""
        order = np.argsort(hits.part, kind="stable")
        parts, first, counts = np.unique(hits.part[order], return_index=True, return_counts=True)
        for part, at, count in zip(parts.tolist(), first.tolist(), counts.tolist(), strict=True):
            least, length = GAPPED_SHARE * self._totals[part], self._parts[part][2]
            if count < least:
                continue
            entries = order[at : at + count]
            starts, places = hits.start[entries].tolist(), hits.place[entries].tolist()
            best: tuple[int, int, int] = (0, 0, 0)  # distinct n-grams, first and last hit
            low = 0
            for high in range(count):
                while starts[high] - starts[low] > GAPPED_STRETCH * length + GAPPED_EXTRA:
                    low += 1
                if high - low + 1 > best[0]:
                    best = max(best, (len(set(places[low : high + 1])), low, high), key=lambda stretch: stretch[0])
            if best[0] < least:
                continue
            rising = _longest_rising(places[best[1] : best[2] + 1])
            covered = {place + offset for place in rising for offset in range(GAPPED)}
            if len(rising) >= least and len(covered) >= min(GAPPED_WORDS, length):
                yield part, len(rising) / self._totals[part], starts[best[1]]

    def summary(self) -> Record:
        """Per benchmark: items indexed, their place, items too short to check, and rows that could not be read."""
        return {
            name: {
                "items": self._counts[name],
                "place": self._places.get(name),
                "uncheckable": self._uncheckable[name],
                "unreadable": self._unreadable[name],
            }
            for name in sorted(self._counts | self._unreadable)
        }


def _longest_rising(values: list[int]) -> list[int]:
    """The longest strictly rising subsequence, last value first."""
    ends: list[int] = []  # smallest last value of a rising subsequence of each length
    at: list[int] = []
    before: list[int] = []
    for number, value in enumerate(values):
        length = bisect_left(ends, value)
        ends[length : length + 1] = [value]
        at[length : length + 1] = [number]
        before.append(at[length - 1] if length else -1)
    number, rising = (at[-1] if at else -1), []
    while number >= 0:
        rising.append(values[number])
        number = before[number]
    return rising
