"""Pairs of documents of a corpus folder that are duplicates, found without holding the texts in memory."""

import hashlib
import unicodedata
from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from lemur.corpus.minhash import candidates, jaccard, shingles, signatures
from lemur.corpus.sources import SOURCES
from lemur.records import read_at, scan

Pairs = dict[tuple[int, int], float]


class Entry(NamedTuple):
    """A document: what orders it, then where it is."""

    id: str
    source: str
    offset: int  # bytes, in its source's file
    place: int  # among all documents of the folder
    length: int  # characters
    digest: bytes  # of the text without its case and white space


class Corpus:
    """The documents by rising id, so that pairs of their numbers do not depend on the order of the files."""

    def __init__(self, folder: Path, *, shingle_words: int, permutations: int, seed: int) -> None:
        self._folder = folder
        self._shingle_words = shingle_words
        found: list[Entry] = []

        def sets() -> Iterator[np.ndarray]:
            for source in SOURCES:
                for offset, record in tqdm(scan(folder / f"{source}.jsonl"), desc=f"minhash {source}"):
                    text = record["text"]
                    found.append(Entry(record["id"], source, offset, len(found), len(text), _digest(text)))
                    yield shingles(text, shingle_words)

        unordered = signatures(sets(), permutations, seed)
        self.entries = sorted(found)
        self._signatures = unordered[[entry.place for entry in self.entries]]

    def exact(self) -> Pairs:
        """Pairs of the same text but for case and white space, each with the next one of its kind."""
        same: defaultdict[bytes, list[int]] = defaultdict(list)
        for number, entry in enumerate(self.entries):
            same[entry.digest].append(number)
        return {pair: 1.0 for numbers in same.values() for pair in pairwise(numbers)}

    def near(self, bands: int, min_similarity: float) -> tuple[Pairs, int]:
        """Pairs whose shingles' Jaccard similarity reaches `min_similarity`, and how many were compared."""
        compared = candidates(self._signatures, bands)
        pairs: Pairs = {}
        known: tuple[int, np.ndarray] = (-1, np.empty(0))
        for first, second in tqdm(compared.tolist(), desc="verify duplicates"):
            if self.entries[first].digest == self.entries[second].digest:
                continue
            if known[0] != first:
                known = first, self._shingles(first)
            similarity = jaccard(known[1], self._shingles(second))
            if similarity >= min_similarity:
                pairs[first, second] = similarity
        return pairs, len(compared)

    def _shingles(self, number: int) -> np.ndarray:
        entry = self.entries[number]
        with (self._folder / f"{entry.source}.jsonl").open("rb") as file:
            return shingles(read_at(file, entry.offset)["text"], self._shingle_words)


def _digest(text: str) -> bytes:
    words = unicodedata.normalize("NFKC", text).casefold().split()
    return hashlib.blake2b("".join(words).encode(), digest_size=16).digest()
