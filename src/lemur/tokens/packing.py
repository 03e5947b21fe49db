"""Packs documents into sequences of one length: which piece of which document goes into which sequence.

`concat` joins all documents and cuts every `capacity` tokens, as EasyLM does, and so Lemur. `best_fit` cuts only
documents longer than a sequence (Ding et al. 2024, arXiv 2404.10830).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, repeat
from typing import Literal

import numpy as np

from lemur.tokens.shards import Arrays

Policy = Literal["best_fit", "concat"]


@dataclass(frozen=True)
class Packing:
    """Pieces in the order of the sequences; four arrays int64 [pieces].

    `start` and `length` count tokens of `document`; `sequence` rises from 0 to `sequences` - 1.
    """

    document: np.ndarray
    start: np.ndarray
    length: np.ndarray
    sequence: np.ndarray
    sequences: int
    capacity: int

    @property
    def tokens(self) -> int:
        return int(self.length.sum())

    @property
    def fullness(self) -> float:
        """Share of the sequences' room that holds tokens; 1.0 if there are no sequences."""
        return self.tokens / (self.sequences * self.capacity) if self.sequences else 1.0


def pack(lengths: np.ndarray | Sequence[int], capacity: int, policy: Policy) -> Packing:
    """Pack documents of `lengths` tokens into sequences of `capacity` tokens. Every token is placed once.

    Documents longer than `capacity` are cut; empty ones have no piece. In `best_fit` the documents' order only decides
    which of several documents of equal length goes where. Measured on one core with 10^5 gamma lengths of mean 100 and
    capacity 512: 7.2 million documents/s, 99.99 % full.
    """
    sizes = np.asarray(lengths, np.int64)
    if capacity < 1:
        raise ValueError(f"capacity is {capacity}; 1 token or more is allowed")
    if sizes.size and sizes.min() < 0:
        raise ValueError(f"document {int(sizes.argmin())} has length {int(sizes.min())}; 0 or more is allowed")
    match policy:
        case "concat":
            return _concat(sizes, capacity)
        case "best_fit":
            return _best_fit(sizes, capacity)


def _concat(sizes: np.ndarray, capacity: int) -> Packing:
    ends = np.cumsum(sizes)
    begins = ends - sizes
    total = int(ends[-1]) if sizes.size else 0
    # A piece begins where a document or a sequence begins.
    starts = np.union1d(begins[sizes > 0], np.arange(0, total, capacity))
    document = np.searchsorted(ends, starts, side="right")
    length = np.diff(starts, append=total)
    return Packing(document, starts - begins[document], length, starts // capacity, -(-total // capacity), capacity)


def _best_fit(sizes: np.ndarray, capacity: int) -> Packing:
    full = sizes // capacity
    cut = np.flatnonzero(full)
    whole_document = np.repeat(cut, full[cut])
    whole_start = np.concatenate([np.arange(0, n * capacity, capacity) for n in full[cut]] or [np.empty(0, np.int64)])
    rest = sizes - full * capacity
    items = np.flatnonzero(rest)
    items = items[np.argsort(-rest[items], kind="stable")]
    bins = np.array(_best_fit_decreasing(rest[items], capacity), np.int64) + whole_document.size
    order = np.argsort(bins, kind="stable")
    items, bins = items[order], bins[order]
    return Packing(
        np.concatenate([whole_document, items]),
        np.concatenate([whole_start, full[items] * capacity]),
        np.concatenate([np.full(whole_document.size, capacity), rest[items]]),
        np.concatenate([np.arange(whole_document.size), bins]),
        int(bins[-1]) + 1 if bins.size else whole_document.size,
        capacity,
    )


def _best_fit_decreasing(sizes: np.ndarray, capacity: int) -> list[int]:
    """The bin of each item when items of falling `sizes` go where they fit best.

    All items of one size are placed together: each of the fullest bins that still fit one takes `room // size` of them,
    just as best fit would place them one by one. `rooms` is a bit set of the amounts of room that occur.
    """
    open_bins: list[list[int]] = [[] for _ in range(capacity + 1)]
    rooms = bins = 0
    placed: list[int] = []
    distinct, counts = np.unique(sizes, return_counts=True)
    for size, count in zip(distinct[::-1].tolist(), counts[::-1].tolist(), strict=True):
        while count:
            fitting = rooms >> size
            if fitting:
                room = size + (fitting & -fitting).bit_length() - 1
                each = min(room // size, count)
                candidates = open_bins[room]
                cut = max(len(candidates) - count // each, 0)
                chosen = candidates[cut:]
                del candidates[cut:]
                if not candidates:
                    rooms ^= 1 << room
            else:
                room = capacity
                each = min(room // size, count)
                chosen = list(range(bins, bins + count // each))
                bins += len(chosen)
            placed += chosen if each == 1 else chain.from_iterable(map(repeat, chosen, repeat(each)))
            count -= len(chosen) * each
            left = room - each * size
            open_bins[left] += chosen
            rooms |= 1 << left
        rooms &= ~1
    return placed


def fill(
    capacity: int,
    sequence: np.ndarray,
    length: np.ndarray,
    source: np.ndarray,
    tokens: np.ndarray,
    loss: np.ndarray,
) -> Arrays:
    """Sequences for `ShardFile.write`, [sequences, capacity]: each one's pieces in order, then padding (zeros).

    Args:
        sequence, length, source: of each piece [pieces], at least one; `sequence` rises from 0 without a gap.
        tokens, loss: ids and loss mask of all pieces, one after the other [tokens].

    Raises `ValueError` if the pieces of a sequence have more than `capacity` tokens.
    """
    first = np.flatnonzero(np.diff(sequence, prepend=-1))
    filled = np.add.reduceat(length, first)
    if filled.max() > capacity:
        raise ValueError(f"parts hold {filled.max()} tokens; {capacity} are allowed")
    used = np.arange(capacity) < filled[:, None]
    segment = (np.arange(1, len(sequence) + 1) - first[sequence]).astype(np.min_scalar_type(capacity))
    ramp = np.arange(capacity, dtype=np.min_scalar_type(capacity))
    columns = {
        "tokens": tokens,
        "segments": np.repeat(segment, length),
        "positions": np.concatenate([ramp[:size] for size in length.tolist()]),
        "sources": np.repeat(source, length),
        "loss": loss,
    }
    if used.all():
        return {name: column.reshape(used.shape) for name, column in columns.items()}
    fields = {name: np.zeros(used.shape, column.dtype) for name, column in columns.items()}
    for name, column in columns.items():
        fields[name][used] = column
    return fields


def fill_one(capacity: int, parts: Sequence[tuple[np.ndarray, np.ndarray | int, int]]) -> Arrays:
    """One sequence for `ShardWriter.write`, as `fill`.

    Each part is (token ids [n], loss mask [n] or one value for all, source index).
    """
    length = np.array([len(tokens) for tokens, _, _ in parts])
    loss = [np.broadcast_to(loss, len(tokens)) for tokens, loss, _ in parts]
    fields = fill(
        capacity,
        np.zeros(len(parts), np.int64),
        length,
        np.array([source for _, _, source in parts]),
        np.concatenate([tokens for tokens, _, _ in parts]),
        np.concatenate(loss),
    )
    return {name: field[0] for name, field in fields.items()}
