"""n-grams of token sequences: an index of many parts, and the search for their n-grams in a document.

Parts are numbered. The index keeps flat arrays, so an n-gram takes some 20 bytes whatever its size.
"""

from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache
from itertools import repeat
from typing import NamedTuple

import numpy as np


class Tokens(NamedTuple):
    """A sequence of n tokens."""

    ids: np.ndarray
    """Number of each token, uint32 [n]; 0 = a token that no part has."""
    ago: np.ndarray | None = None
    """How many tokens ago the same name last occurred, uint64 [n]; 0 = never, or not a name. None: no names."""


class Hits(NamedTuple):
    """n-grams of parts that occur in a document: one entry per place and part, by place; int64 [n] each."""

    part: np.ndarray
    gram: np.ndarray
    """Number of the n-gram; equal n-grams have equal numbers."""
    start: np.ndarray
    place: np.ndarray
    """Where the n-gram is in the index; these numbers rise along a part."""
    size: int


class Vocabulary:
    """Numbers the tokens of parts, from 1."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def add(self, tokens: Sequence[str]) -> np.ndarray:
        numbers = self._numbers
        return np.array([numbers.setdefault(token, len(numbers) + 1) for token in tokens], np.uint32)

    def look_up(self, tokens: Sequence[str]) -> np.ndarray:
        return np.fromiter(map(self._numbers.get, tokens, repeat(0)), np.uint32, len(tokens))


class Grams:
    """The n-grams of parts. Add every part, then call `freeze`, then `find`."""

    def __init__(self) -> None:
        self._added: defaultdict[int, list[tuple[int, Tokens]]] = defaultdict(list)
        self._tables: list[_Table] = []

    def add(self, part: int, tokens: Tokens, size: int) -> None:
        """Index every run of `size` of at least `size` tokens for `part`."""
        self._added[size].append((part, tokens))

    def freeze(self, items: np.ndarray | None = None, most_items: int = 0) -> dict[int, int]:
        """{part: its distinct n-grams}.

        With `items` (the item of each part), leaves out n-grams that occur in more than `most_items` items: they are
        phrases that a benchmark repeats.
        """
        totals: dict[int, int] = {}
        for size, added in sorted(self._added.items()):
            table = _Table(size, added, items, most_items)
            self._tables.append(table)
            parts, counts = np.unique(table.parts, return_counts=True)
            totals.update(zip(parts.tolist(), counts.tolist(), strict=True))
        self._added.clear()
        return totals

    def __len__(self) -> int:
        """Distinct n-grams."""
        return sum(len(table.hashes) for table in self._tables)

    def find(self, tokens: Tokens) -> list[Hits]:
        """The hits in a document, for each size of n-grams that has any."""
        borders = np.concatenate([[-1], np.flatnonzero(tokens.ids == 0), [len(tokens.ids)]])
        known = int((borders[1:] - borders[:-1]).max()) - 1  # most tokens in a row that the index has
        fitting = [table for table in self._tables if table.size <= known]
        if not fitting:
            return []
        sums = _running_sums(tokens.ids)
        unknown = np.concatenate([np.zeros(1, np.int64), np.cumsum(tokens.ids == 0)])
        hits = (table.find(tokens, sums, unknown) for table in fitting)
        return [hit for hit in hits if hit is not None]


class _Table:
    """All n-grams of one size: their hashes, sorted; a place in `tokens` of each; and the parts that hold it."""

    def __init__(self, size: int, added: list[tuple[int, Tokens]], items: np.ndarray | None, most_items: int) -> None:
        self.size = size
        agos = [tokens.ago for _, tokens in added if tokens.ago is not None]
        self.tokens = Tokens(
            np.concatenate([tokens.ids for _, tokens in added]), np.concatenate(agos) if agos else None
        )
        lengths = np.array([len(tokens.ids) for _, tokens in added])
        ends = np.repeat(np.cumsum(lengths), lengths)
        starts = np.flatnonzero(np.arange(len(ends)) + size <= ends)
        hashes = _hashes(_running_sums(self.tokens.ids), size)[starts]
        # Hashes without `ago`, which are cheaper, select the windows of a document that are worth a second look.
        self.shapes = np.unique(hashes) if agos else None
        if agos:
            hashes = _named_hashes(self.tokens, starts, size)
        parts = np.repeat(np.array([part for part, _ in added]), lengths)[starts]
        order = np.lexsort((parts, hashes))
        hashes, parts, starts = hashes[order], parts[order], starts[order]
        distinct = (np.diff(hashes, prepend=hashes[:1]) != 0) | (np.diff(parts, prepend=-1) != 0)
        hashes, parts, starts = hashes[distinct], parts[distinct], starts[distinct]
        if items is not None:
            _, gram = np.unique(hashes, return_inverse=True)
            pairs = np.unique(np.stack([gram, items[parts]]), axis=1)
            rare = np.bincount(pairs[0])[gram] <= most_items
            hashes, parts, starts = hashes[rare], parts[rare], starts[rare]
        self.parts = parts.astype(np.int32)
        self.hashes, first = np.unique(hashes, return_index=True)
        self.starts = starts.astype(np.int32)
        self.places = self.starts[first]
        self.borders = np.append(first, len(hashes)).astype(np.int32)

    def find(self, tokens: Tokens, sums: np.ndarray, unknown: np.ndarray) -> Hits | None:
        # Skip the many windows with a token that no part has.
        starts = np.flatnonzero(unknown[self.size :] == unknown[: -self.size])
        if not len(starts):
            return None
        hashes = _hashes(sums, self.size)[starts]
        if self.shapes is not None:
            starts = starts[_places(self.shapes, hashes)[1]]
            hashes = _named_hashes(tokens, starts, self.size)
        grams, equal = _places(self.hashes, hashes)
        if not equal.any():
            return None
        starts, grams = starts[equal], grams[equal]
        # The hash only preselects; the n-grams themselves must be equal.
        same = (_windows(tokens, starts, self.size) == _windows(self.tokens, self.places[grams], self.size)).all(axis=1)
        starts, grams = starts[same], grams[same]
        if not len(starts):
            return None
        counts = self.borders[grams + 1] - self.borders[grams]
        before = np.cumsum(counts) - counts
        at = np.arange(counts.sum()) + np.repeat(self.borders[grams] - before, counts)
        return Hits(
            self.parts[at].astype(np.int64),
            np.repeat(grams, counts),
            np.repeat(starts, counts),
            self.starts[at],
            self.size,
        )


def _places(ordered: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where each of `values` is in the sorted `ordered`, and whether it is there (bool)."""
    if not len(ordered):
        return np.zeros(len(values), np.int64), np.zeros(len(values), bool)
    places = np.searchsorted(ordered, values)
    places[places == len(ordered)] = 0
    return places, ordered[places] == values


# The hash of tokens t_0, t_1, ... is the sum of t_j * FACTOR^j modulo 2^64. FACTOR is odd, so it has an inverse, with
# which one running sum gives the hashes of all windows of any size.
_FACTOR = 0x9E3779B97F4A7C15
_INVERSE = pow(_FACTOR, -1, 1 << 64)
_AGO = np.uint64(32)  # bits that a token's number takes


def _running_sums(ids: np.ndarray) -> np.ndarray:
    return np.concatenate([np.zeros(1, np.uint64), np.cumsum(ids * _powers(_FACTOR, len(ids)))])


def _hashes(sums: np.ndarray, size: int) -> np.ndarray:
    """Hash of the window at each place, from the tokens' running sums."""
    count = len(sums) - size
    return (sums[size:] - sums[:count]) * _powers(_INVERSE, count)


def _named_hashes(tokens: Tokens, starts: np.ndarray, size: int) -> np.ndarray:
    """Hashes of the windows at `starts`, in which a name counts by its last occurrence within the window."""
    return (_windows(tokens, starts, size) * _powers(_FACTOR, size)).sum(axis=1, dtype=np.uint64)


def _windows(tokens: Tokens, starts: np.ndarray, size: int) -> np.ndarray:
    """What the windows at `starts` are compared by, uint64 [starts, size]."""
    offsets = np.arange(size)
    windows = tokens.ids[starts[:, None] + offsets].astype(np.uint64)
    if tokens.ago is not None:
        ago = tokens.ago[starts[:, None] + offsets]
        windows |= np.where(ago <= offsets.astype(np.uint64), ago << _AGO, np.uint64(0))
    return windows


@lru_cache(maxsize=64)
def _power_table(base: int, length: int) -> np.ndarray:
    table = np.full(length, base, np.uint64)
    table[0] = 1
    return np.cumprod(table)


def _powers(base: int, length: int) -> np.ndarray:
    """base^0 ... base^(length - 1) modulo 2^64, from a few cached tables whose lengths double."""
    return _power_table(base, max(1024, 1 << length.bit_length()))[:length]
