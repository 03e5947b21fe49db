"""Near-duplicates by MinHash: shingles, signatures (rensa), candidate pairs by bands, exact Jaccard of shingles."""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from zlib import crc32

import numpy as np
from rensa import RMinHash

_WORD = re.compile(r"\w+|[^\w\s]")
_BATCH = 512
# A bucket as large as this is boilerplate: all its pairs would take quadratic time, so each document is compared with
# so many after it, which still links what is similar into one cluster.
_COMPARED = 64


def shingles(text: str, size: int) -> np.ndarray:
    """Sorted distinct hashes (uint64 [n]) of every run of `size` words and signs; of the whole text if it is shorter.

    Compatibility forms, case and white space do not count, so a reformatted copy has the same shingles.
    """
    tokens = _WORD.findall(unicodedata.normalize("NFKC", text).casefold())
    words = np.fromiter((crc32(token.encode()) for token in tokens), np.uint64, len(tokens))
    size = min(size, len(words))
    if not size:
        return words
    hashes = np.zeros(len(words) - size + 1, np.uint64)
    for offset in range(size):
        hashes = hashes * np.uint64(0x9E3779B97F4A7C15) + words[offset : offset + len(hashes)]
    hashes = (hashes ^ (hashes >> np.uint64(31))) * np.uint64(0xBF58476D1CE4E5B9)
    return np.unique(hashes ^ (hashes >> np.uint64(29)))


def signatures(sets: Iterable[np.ndarray], permutations: int, seed: int) -> np.ndarray:
    """MinHash signatures, uint32 [documents, permutations], of shingle sets."""
    remaining = iter(sets)
    found = [np.empty((0, permutations), np.uint32)]
    while batch := list(islice(remaining, _BATCH)):
        borders = np.cumsum([0, *map(len, batch)]).tolist()
        matrix = RMinHash.digest_matrix_from_flat_token_hashes(np.concatenate(batch), borders, permutations, seed)
        found.append(np.array(matrix.to_rows(), np.uint32).reshape(len(batch), permutations))
    return np.concatenate(found)


def candidates(signatures: np.ndarray, bands: int) -> np.ndarray:
    """Distinct pairs (i < j), int64 [pairs, 2], of documents whose signatures agree in a whole band."""
    documents, permutations = signatures.shape
    rows = permutations // bands
    found = [np.empty(0, np.int64)]
    for band in range(bands):
        keys = np.ascontiguousarray(signatures[:, band * rows : (band + 1) * rows]).view(f"V{rows * 4}").ravel()
        order = np.argsort(keys, kind="stable")
        same = keys[order[1:]] == keys[order[:-1]]
        run = np.cumsum(np.concatenate([[True], ~same]))
        for distance in range(1, _COMPARED + 1):
            at = np.flatnonzero(run[distance:] == run[:-distance])
            if not at.size:
                break
            # `order` rises within a run, so the first is the smaller.
            found.append(order[at] * documents + order[at + distance])
    pairs = np.unique(np.concatenate(found))
    return np.stack([pairs // documents, pairs % documents], axis=1) if documents else np.empty((0, 2), np.int64)


def jaccard(first: np.ndarray, second: np.ndarray) -> float:
    """Of two arrays of sorted distinct shingles; 0.0 if both are empty."""
    both = len(np.intersect1d(first, second, assume_unique=True))
    total = len(first) + len(second) - both
    return both / total if total else 0.0


def clusters(count: int, pairs: Sequence[tuple[int, int]]) -> Iterator[list[int]]:
    """Connected groups of two and more among 0 to `count` - 1."""
    parent = list(range(count))

    def root(node: int) -> int:
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    for first, second in pairs:
        low, high = sorted((root(first), root(second)))
        parent[high] = low
    members: dict[int, list[int]] = {}
    for node in sorted({node for pair in pairs for node in pair}):
        members.setdefault(root(node), []).append(node)
    yield from members.values()
