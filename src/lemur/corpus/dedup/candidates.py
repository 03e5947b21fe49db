"""Candidate pairs: documents with the same key, in rounds, so that pairs that are already joined are not compared."""

import numpy as np

from lemur.corpus.dedup.clusters import read_roots
from lemur.corpus.dedup.minhash import mixed
from lemur.corpus.dedup.partitions import Partition, groups, read_rows, write_rows
from lemur.corpus.dedup.settings import Settings
from lemur.corpus.dedup.sketches import KEYED

# A bucket of boilerplate can be large and all its pairs would take quadratic time. Each document is compared only with
# this many after it, which still links similar ones into one cluster.
MAX_COMPARISONS = 64
STEP = 8  # distances of a round after the first
# `key`: a hash of `first`, so that a document's pairs are together. `kinds`: bits of the kinds of keys that both have.
PAIR = np.dtype([("key", "u8"), ("first", "u8"), ("second", "u8"), ("kinds", "u8")])
FIRST_ROUND_BYTES = KEYED.itemsize + PAIR.itemsize  # for each row read
ROUND_BYTES = KEYED.itemsize + STEP * PAIR.itemsize


def find_buckets(settings: Settings, part: Partition) -> tuple[int, int, int]:
    """The first round. Writes the documents that share their key with another to `buckets`, and to `pairs` one pair for
    each: with the first of its 64 in the order of `rank`, which joins a cluster of copies in as many comparisons as it
    has members. Returns the rows of both, and the documents of the largest bucket."""
    rows = read_rows(part.inputs[0], KEYED, part.low, part.high, settings.memory, FIRST_ROUND_BYTES)
    order = np.argsort(rows["key"], kind="stable")
    runs = groups(rows["key"][order])
    rows = rows[order[np.repeat(np.diff(runs) > 1, np.diff(runs))]]
    rows = rows[np.lexsort((rows["address"], rows["rank"], rows["key"]))]
    write_rows(part.outputs["buckets"], rows)
    at = _positions(rows)
    second = np.flatnonzero(at)
    back = at[second] % MAX_COMPARISONS
    first = second - np.where(back, back, MAX_COMPARISONS)
    pairs = distinct(_pairs(rows, first, second))
    write_rows(part.outputs["pairs"], pairs)
    return len(rows), len(pairs), int(at.max(initial=-1)) + 1


def find_pairs(settings: Settings, distances: range, part: Partition) -> int:
    """A later round. Writes the pairs to `pairs` that are `distances` apart in their bucket and not in one cluster yet
    by the roots in `inputs[1]`, without those of the first round. Returns their number."""
    rows = read_rows(part.inputs[0], KEYED, part.low, part.high, settings.memory, ROUND_BYTES)
    roots = read_roots(part.inputs[1], rows["address"])
    at = _positions(rows)
    found = [np.empty(0, PAIR)]
    for distance in distances:
        second = np.flatnonzero(at >= distance)
        first = second - distance
        open_ = (at[first] % MAX_COMPARISONS > 0) & (roots[first] != roots[second])
        found.append(_pairs(rows, first[open_], second[open_]))
    pairs = distinct(np.concatenate(found))
    write_rows(part.outputs["pairs"], pairs)
    return len(pairs)


def _pairs(rows: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Rows `PAIR` of rows `KEYED` at `first` and `second`, which have the same key."""
    pairs = np.empty(len(first), PAIR)
    pairs["first"], pairs["second"] = rows["address"][first], rows["address"][second]
    pairs["key"] = mixed(pairs["first"])
    pairs["kinds"] = np.uint64(1) << (rows["key"][first] & np.uint64(1))
    return pairs


def distinct(pairs: np.ndarray) -> np.ndarray:
    """Each pair once, with all its kinds, sorted by key."""
    pairs = pairs[np.lexsort((pairs["second"], pairs["key"]))]
    starts = groups(pairs["key"], pairs["second"])[:-1]
    once = pairs[starts]
    if len(once):
        once["kinds"] = np.bitwise_or.reduceat(pairs["kinds"], starts)
    return once


def _positions(rows: np.ndarray) -> np.ndarray:
    """The position of each document in its bucket, int64 [rows]."""
    runs = groups(rows["key"])
    return np.arange(len(rows)) - np.repeat(runs[:-1], np.diff(runs))
