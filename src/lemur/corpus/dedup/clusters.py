"""Clusters of documents: candidate pairs with equal keys, and a union-find that joins the similar ones."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

# A bucket of boilerplate can be large and all its pairs would take quadratic time. Each document is compared only with
# this many after it, which still links similar ones into one cluster.
MAX_COMPARISONS = 64


class Clusters:
    """A union-find over documents 0 to `count` - 1; 8 bytes per document."""

    def __init__(self, count: int) -> None:
        self._parent = np.arange(count)

    def roots(self, documents: np.ndarray) -> np.ndarray:
        """The representative of each document's cluster: its smallest member."""
        while not np.array_equal(above := self._parent[documents], documents):
            documents = above
        return documents

    def join(self, pairs: np.ndarray) -> None:
        """Join the clusters of both documents of each pair, int64 [pairs, 2]."""
        parent = self._parent
        for first, second in pairs.tolist():
            while parent[first] != first:
                parent[first] = first = parent[parent[first]]
            while parent[second] != second:
                parent[second] = second = parent[parent[second]]
            parent[max(first, second)] = min(first, second)

    def __iter__(self) -> Iterator[list[int]]:
        """Clusters of two or more documents, ordered by their smallest member; each cluster's members rise."""
        documents = np.arange(len(self._parent))
        self._parent = self.roots(documents)
        clustered = documents[np.bincount(self._parent, minlength=len(documents))[self._parent] > 1]
        order = clustered[np.argsort(self._parent[clustered], kind="stable")]
        borders = np.flatnonzero(np.diff(self._parent[order], prepend=-1, append=-1)).tolist()
        for start, end in pairwise(borders):
            yield order[start:end].tolist()


def candidates(keys: np.ndarray, documents: np.ndarray, clusters: Clusters) -> Iterator[np.ndarray]:
    """Pairs (i < j), int64 [pairs, 2], of `documents` (rising) with the same key that are not in one cluster yet.

    Join the similar pairs of each batch before asking for the next: then each copy in a bucket is compared only once.
    """
    order = np.argsort(keys, kind="stable")
    same = keys[order[1:]] == keys[order[:-1]]
    shared = np.concatenate([[False], same]) | np.concatenate([same, [False]])
    run = np.cumsum(np.concatenate([[True], ~same]))[shared] if len(keys) else np.empty(0, np.int64)
    order = documents[order[shared[: len(order)]]]
    for distance in range(1, MAX_COMPARISONS + 1):
        at = np.flatnonzero(run[distance:] == run[:-distance])
        if not at.size:
            return
        # `order` rises within a run, so the first document is the smaller.
        pairs = np.stack([order[at], order[at + distance]], axis=1)
        open_pairs = pairs[clusters.roots(pairs[:, 0]) != clusters.roots(pairs[:, 1])]
        if open_pairs.size:
            yield open_pairs
