"""Clusters of duplicates in a folder of documents, found without holding the texts in memory."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from lemur.core.parallel import map_in_order
from lemur.core.records import read_at
from lemur.corpus.dedup.clusters import Clusters, candidates
from lemur.corpus.dedup.minhash import jaccard
from lemur.corpus.dedup.sketches import Settings, Sketches, shingle_sets
from lemur.corpus.sources import CODE, SOURCES

BATCH_PAIRS = 1024
EXACT = "exact_duplicate"
NEAR = "near_duplicate"
RENAMED = "renamed_duplicate"


class Place(NamedTuple):
    """Where a document stands: source, and bytes in its file."""

    source: str
    offset: int


class Similarity(NamedTuple):
    """Jaccard similarities of two documents: of their words, and, of code, of what is blind to names; 0 for text."""

    words: float
    renamed: float


class Duplicates:
    """Finds clusters; `compared` counts the pairs whose texts were compared."""

    def __init__(
        self, folder: Path, settings: Settings, min_similarity: float, min_renamed: float, scratch: Path
    ) -> None:
        self._folder = folder
        self._settings = settings
        self._least = (min_similarity, min_renamed)
        self.sketches = Sketches(folder, settings, scratch)
        self.entries = self.sketches.entries
        self.compared = 0

    def clusters(self) -> Clusters:
        """Documents of one digest are joined; then those whose texts, compared, reach a least similarity."""
        found = Clusters(len(self.entries))
        order = np.lexsort((np.arange(len(self.entries)), self.entries["digest"]))
        same = self.entries["digest"][order[1:]] == self.entries["digest"][order[:-1]]
        found.join(np.stack([order[:-1][same], order[1:][same]], axis=1))
        first = np.concatenate([[True], ~same])[: len(order)]
        alone = np.sort(order[first])  # one of each digest stands for the others
        for kind, least in enumerate(self._least):
            for band in range(self._settings.bands):
                keys = self.sketches.keys(kind, band)[alone]
                here = np.flatnonzero(keys)
                documents = alone[here]
                for pairs in candidates(keys[here], documents, found):
                    alike = [similarity[kind] >= least for similarity in self.similarities(pairs)]
                    found.join(pairs[alike])
                    self.compared += len(pairs)
        return found

    def place(self, number: int) -> Place:
        entry = self.entries[number]
        return Place(SOURCES[entry["source"]], int(entry["offset"]))

    def similarities(self, pairs: np.ndarray) -> Iterator[Similarity]:
        """Of each pair of document numbers, int64 [pairs, 2], in their order."""
        batches = (pairs[at : at + BATCH_PAIRS] for at in range(0, len(pairs), BATCH_PAIRS))
        places = ([(self.place(first), self.place(second)) for first, second in batch.tolist()] for batch in batches)
        for batch in map_in_order(partial(_compare, self._folder, self._settings), places):
            yield from batch


def _compare(folder: Path, settings: Settings, pairs: list[tuple[Place, Place]]) -> list[Similarity]:
    found = []
    known: tuple[Place | None, tuple[np.ndarray, np.ndarray]] = (None, (np.empty(0), np.empty(0)))

    def sets(place: Place) -> tuple[np.ndarray, np.ndarray]:
        with (folder / f"{place.source}.jsonl").open("rb") as file:
            return shingle_sets(read_at(file, place.offset)["text"], place.source in CODE, settings)

    for first, second in pairs:
        if known[0] != first:
            known = first, sets(first)
        found.append(Similarity(*map(jaccard, known[1], sets(second))))
    return found
