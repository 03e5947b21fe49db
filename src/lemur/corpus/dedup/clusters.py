"""Clusters of similar documents: an exact union-find over the pairs, and a file of its roots for all processes."""

from pathlib import Path

import numpy as np

CHUNK = 1 << 16  # pairs that are Python integers at a time


class Clusters:
    """The documents of all pairs joined so far; no other takes memory. `documents`: uint64 [n], sorted. `roots`: the
    smallest document of each one's cluster."""

    def __init__(self) -> None:
        self.documents = np.empty(0, np.uint64)
        self.roots = np.empty(0, np.uint64)

    def join(self, pairs: np.ndarray) -> None:
        """Join the clusters of both documents of each pair, uint64 [pairs, 2]."""
        documents = np.union1d(self.documents, pairs)
        parent = np.arange(len(documents))
        parent[np.searchsorted(documents, self.documents)] = np.searchsorted(documents, self.roots)
        for start in range(0, len(pairs), CHUNK):
            for first, second in np.searchsorted(documents, pairs[start : start + CHUNK]).tolist():
                while parent[first] != first:
                    parent[first] = first = parent[parent[first]]
                while parent[second] != second:
                    parent[second] = second = parent[parent[second]]
                parent[max(first, second)] = min(first, second)
        while not np.array_equal(above := parent[parent], parent):
            parent = above
        self.documents, self.roots = documents, documents[parent]

    def write(self, path: Path) -> None:
        with path.open("wb") as file:
            self.documents.tofile(file)
            self.roots.tofile(file)


def read_roots(path: Path, documents: np.ndarray) -> np.ndarray:
    """The root of each of `documents`, uint64 [n]: itself if it has not been joined. Reads only parts of the file."""
    if not path.stat().st_size:
        return documents
    known, roots = np.memmap(path, np.uint64, "r").reshape(2, -1)
    at = np.searchsorted(known, documents).clip(max=len(known) - 1)
    return np.where(known[at] == documents, roots[at], documents)
