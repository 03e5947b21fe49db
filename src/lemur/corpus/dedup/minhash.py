"""MinHash of documents: shingles, signatures (rensa), keys of their bands, exact Jaccard similarity of shingles."""

import re
import unicodedata
from collections.abc import Sequence
from zlib import crc32

import numpy as np
from rensa import RMinHash

_WORD = re.compile(r"\w+|[^\w\s]")
_QUOTES = str.maketrans(dict.fromkeys("'`\u2018\u2019\u201c\u201d", '"'))


def words(text: str, *, fold: bool = True) -> list[str]:
    """Words and punctuation marks. Compatibility forms, white space, the kind of quotes and, with `fold`, case are
    ignored, so a reformatted copy has the same words."""
    text = unicodedata.normalize("NFKC", text).translate(_QUOTES)
    return _WORD.findall(text.casefold() if fold else text)


def hash_tokens(tokens: Sequence[str]) -> np.ndarray:
    """One hash per token, uint64 [n] below 2^32."""
    return np.fromiter((crc32(token.encode()) for token in tokens), np.uint64, len(tokens))


def shingles(text: str, size: int) -> np.ndarray:
    """Sorted distinct hashes (uint64 [n]) of every run of `size` words and punctuation marks, or of the whole text if
    it is shorter."""
    tokens = hash_tokens(words(text))
    size = min(size, len(tokens))
    if not size:
        return tokens
    hashes = np.zeros(len(tokens) - size + 1, np.uint64)
    for offset in range(size):
        hashes = extend_hashes(hashes, tokens[offset : offset + len(hashes)])
    return mixed_distinct(hashes)


def extend_hashes(hashes: np.ndarray, tokens: np.ndarray) -> np.ndarray:
    """Hashes of runs of tokens, each run longer by one token."""
    return hashes * np.uint64(0x9E3779B97F4A7C15) + tokens


def mixed(hashes: np.ndarray) -> np.ndarray:
    """Hashes with their bits mixed; different ones stay different."""
    hashes = (hashes ^ (hashes >> np.uint64(31))) * np.uint64(0xBF58476D1CE4E5B9)
    return hashes ^ (hashes >> np.uint64(29))


def mixed_distinct(hashes: np.ndarray) -> np.ndarray:
    """The distinct hashes with their bits mixed, sorted."""
    return np.unique(mixed(hashes))


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
