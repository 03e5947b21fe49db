"""Finds clusters of duplicates in a folder of documents without holding the texts in memory."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from lemur.core.parallel import Pool
from lemur.core.records import read_at
from lemur.corpus.dedup.clusters import Clusters, candidates
from lemur.corpus.dedup.minhash import jaccard
from lemur.corpus.dedup.sketches import Settings, Sketches, shingle_sets
from lemur.corpus.documents import all_shards
from lemur.corpus.sources import CODE

BATCH_PAIRS = 1024
EXACT = "exact_duplicate"
NEAR = "near_duplicate"
RENAMED = "renamed_duplicate"


class Place(NamedTuple):
    """Where a document is: its source, its shard, and its offset there in bytes."""

    source: str
    path: Path
    offset: int


class Similarity(NamedTuple):
    """Jaccard similarities of two documents: of their words, and of the shingles that ignore names (0 for text)."""

    words: float
    renamed: float


class Duplicates:
    """Finds clusters; `compared` counts the pairs whose texts were compared."""

    def __init__(
        self, folder: Path, settings: Settings, min_similarity: float, min_renamed: float, scratch: Path, pool: Pool
    ) -> None:
        self._pool = pool
        self._shards = all_shards(folder)
        self._settings = settings
        self._thresholds = (min_similarity, min_renamed)
        self.sketches = Sketches(folder, settings, scratch, pool)
        self.entries = self.sketches.entries
        self.compared = 0

    def clusters(self) -> Clusters:
        """Join documents with equal digests, then those whose texts reach a minimum similarity."""
        clusters = Clusters(len(self.entries))
        order = np.lexsort((np.arange(len(self.entries)), self.entries["digest"]))
        same = self.entries["digest"][order[1:]] == self.entries["digest"][order[:-1]]
        clusters.join(np.stack([order[:-1][same], order[1:][same]], axis=1))
        first = np.concatenate([[True], ~same])[: len(order)]
        distinct = np.sort(order[first])  # one document of each digest represents the others
        for kind, threshold in enumerate(self._thresholds):
            for band in range(self._settings.bands):
                keys = self.sketches.keys(kind, band)[distinct]
                keyed = np.flatnonzero(keys)
                documents = distinct[keyed]
                for pairs in candidates(keys[keyed], documents, clusters):
                    similar = [similarity[kind] >= threshold for similarity in self.similarities(pairs)]
                    clusters.join(pairs[similar])
                    self.compared += len(pairs)
        return clusters

    def place(self, number: int) -> Place:
        entry = self.entries[number]
        source, path = self._shards[entry["shard"]]
        return Place(source, path, int(entry["offset"]))

    def similarities(self, pairs: np.ndarray) -> Iterator[Similarity]:
        """The similarity of each pair of document numbers, int64 [pairs, 2], in order."""
        batches = (pairs[at : at + BATCH_PAIRS] for at in range(0, len(pairs), BATCH_PAIRS))
        places = ([(self.place(first), self.place(second)) for first, second in batch.tolist()] for batch in batches)
        for batch in self._pool.map(partial(_compare, self._settings), places):
            yield from batch


def _compare(settings: Settings, pairs: list[tuple[Place, Place]]) -> list[Similarity]:
    similarities = []
    cached: tuple[Place | None, tuple[np.ndarray, np.ndarray]] = (None, (np.empty(0), np.empty(0)))

    def sets(place: Place) -> tuple[np.ndarray, np.ndarray]:
        with place.path.open("rb") as file:
            return shingle_sets(read_at(file, place.offset)["text"], place.source in CODE, settings)

    for first, second in pairs:
        if cached[0] != first:
            cached = first, sets(first)
        similarities.append(Similarity(*map(jaccard, cached[1], sets(second))))
    return similarities
