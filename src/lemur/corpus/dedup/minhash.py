"""MinHash of documents: shingles, signatures (rensa), keys of their bands, exact Jaccard similarity of shingles."""

from collections.abc import Sequence

import numpy as np
from rensa import RMinHash

from lemur.corpus.dedup.token_hashes import word_hashes


def shingle_sets(texts: Sequence[str], size: int) -> list[np.ndarray]:
    """For each of at least one text, sorted distinct hashes (uint64 [n]) of every run of `size` words and punctuation
    marks, or of the whole text if it is shorter."""
    tokens, borders = word_hashes(texts)
    runs = np.zeros(max(len(tokens) - size + 1, 0), np.uint64)
    for offset in range(size):
        runs = extend_hashes(runs, tokens[offset : offset + len(runs)])
    sets = []
    for start, end in zip(borders[:-1].tolist(), borders[1:].tolist(), strict=True):
        of_text = runs[start : end - size + 1]
        if end - start < size:
            of_text = np.zeros(min(end - start, 1), np.uint64)
            for token in tokens[start:end]:
                of_text = extend_hashes(of_text, token)
        sets.append(mixed_distinct(of_text))
    return sets


def extend_hashes(hashes: np.ndarray, tokens: np.ndarray) -> np.ndarray:
    """Hashes of runs of tokens, each run longer by one token."""
    return hashes * np.uint64(0x9E3779B97F4A7C15) + tokens


def mixed(hashes: np.ndarray) -> np.ndarray:
    """Hashes with their bits mixed; different ones stay different."""
    hashes = (hashes ^ (hashes >> np.uint64(31))) * np.uint64(0xBF58476D1CE4E5B9)
    return hashes ^ (hashes >> np.uint64(29))


def mixed_distinct(hashes: np.ndarray) -> np.ndarray:
    """The distinct hashes with their bits mixed, sorted."""
    ordered = np.sort(mixed(hashes))  # np.unique, which hashes them first, takes twice as long
    distinct = np.ones(len(ordered), bool)
    distinct[1:] = ordered[1:] != ordered[:-1]
    return ordered[distinct]


def signatures(sets: Sequence[np.ndarray], permutations: int, seed: int) -> np.ndarray:
    """MinHash signatures, uint32 [sets, permutations], of shingle sets."""
    if not sets:
        return np.empty((0, permutations), np.uint32)
    borders = np.cumsum([0, *map(len, sets)]).tolist()
    matrix = RMinHash.digest_matrix_from_flat_token_hashes(np.concatenate(sets), borders, permutations, seed)
    return np.array(matrix.to_rows(), np.uint32).reshape(len(sets), permutations)


def band_keys(signatures: np.ndarray, bands: int) -> np.ndarray:
    """Keys uint64 [documents, bands]: equal where two signatures agree in a whole band, else with probability 2^-64."""
    rows = signatures.shape[1] // bands
    keys = np.zeros((len(signatures), bands), np.uint64)
    for row in range(rows):
        keys = extend_hashes(keys, signatures[:, row::rows][:, :bands].astype(np.uint64) + np.uint64(1))
        keys = (keys ^ (keys >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)
    return keys


def jaccard(first: np.ndarray, second: np.ndarray) -> float:
    """Jaccard similarity of two arrays of sorted distinct shingles; 0.0 if both are empty."""
    shared = len(np.intersect1d(first, second, assume_unique=True))
    total = len(first) + len(second) - shared
    return shared / total if total else 0.0
