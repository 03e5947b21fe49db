"""Finds clusters of duplicates in a folder of documents: every phase a function of shards or of partitions of rows.

    digests     a digest of each document, by spans of shards
    copies      documents with the same digest; the first of them stands for all in the phases up to `clusters`
    keyed       keys of MinHash bands, by spans
    buckets     documents with the same key, and in rounds their pairs (`candidates`)
    compared    each pair once, and edges between similar documents; after each round the driver joins them
    members     documents of all clusters
    removals    the decision

The phases exchange files in a scratch folder. A worker holds a partition of at most `memory` bytes, up to twice that
while it sorts; a span of a sixteenth of it; and the largest cluster's line of the list. What grows in the driver are
edges: some 50 bytes for each document with an edge to a similar one, and 16 for each edge of a round. Exact copies have
none.
"""

import heapq
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np

from lemur.core.parallel import Pool
from lemur.core.records import Record, read_jsonl
from lemur.core.shards import Job, map_shards
from lemur.corpus.dedup.candidates import (
    FIRST_ROUND_BYTES,
    MAX_COMPARISONS,
    PAIR,
    ROUND_BYTES,
    STEP,
    find_buckets,
    find_pairs,
)
from lemur.corpus.dedup.clusters import Clusters
from lemur.corpus.dedup.exact import DIGEST, digest_span, find_copies
from lemur.corpus.dedup.partitions import Partition, partitions
from lemur.corpus.dedup.removals import MEMBER, decide, find_members
from lemur.corpus.dedup.settings import Settings
from lemur.corpus.dedup.sketches import sketch_span
from lemur.corpus.dedup.spans import Span, spans
from lemur.corpus.dedup.verification import verify
from lemur.corpus.documents import all_shards

Result = TypeVar("Result")
ROWS = 1 << 16  # rows worth a job
TEXTS = 64  # documents or pairs whose texts are worth a job


class Found(NamedTuple):
    """`compared`: pairs whose texts were compared. `clusters`: of two or more documents. `largest`: documents of the
    largest cluster. `across_sources`: documents removed for one of another source."""

    compared: int
    clusters: int
    largest: int
    across_sources: int


class Duplicates:
    """The duplicates in the folder `documents`. Its files are in `scratch`, an empty folder that has to stay."""

    def __init__(self, documents: Path, settings: Settings, scratch: Path, pool: Pool) -> None:
        self._documents = documents
        self._settings = settings
        self._scratch = scratch
        self._pool = pool
        self._find_copies()
        clusters, compared = self._find_clusters()
        self.found = self._decide(clusters, compared)

    @property
    def removals(self) -> Path:
        """The folder with the rows `REMOVAL`."""
        return self._folder("removals")

    def clusters(self) -> Iterator[Record]:
        """The clusters in the order of the kept documents' ids."""
        files = map(read_jsonl, sorted(self._folder("clusters").iterdir()))
        return heapq.merge(*files, key=lambda cluster: cluster["kept"]["id"].encode())

    def _find_copies(self) -> None:
        documents = sum(self._run(digest_span, self._spans("digests")))
        parts = self._parts(documents, DIGEST.itemsize, ROWS, ["digests"], ["copies"])
        deque(self._run(partial(find_copies, self._settings), parts), maxlen=0)

    def _find_clusters(self) -> tuple[Clusters, int]:
        """The clusters of similar documents, and the number of pairs compared to find them."""
        settings = self._settings
        keyed = sum(self._run(partial(sketch_span, settings), self._spans("keyed", "copies")))
        parts = self._parts(keyed, FIRST_ROUND_BYTES, ROWS, ["keyed"], ["buckets", "pairs-0"])
        shared, proposed, sizes = zip(*self._run(partial(find_buckets, settings), parts), strict=True)
        clusters = Clusters()
        compared = self._verify(0, sum(proposed), clusters)
        # In a bucket of n documents, those that the first round left are at most n - 2 apart.
        for number, nearest in enumerate(range(1, min(max(sizes) - 2, MAX_COMPARISONS) + 1, STEP), 1):
            roots = f"roots-{number}"
            clusters.write(self._scratch / roots)
            parts = self._parts(sum(shared), ROUND_BYTES, ROWS, ["buckets", roots], [f"pairs-{number}"])
            pairs = self._run(partial(find_pairs, settings, range(nearest, nearest + STEP)), parts)
            compared += self._verify(number, compared + sum(pairs), clusters)
        return clusters, compared

    def _verify(self, number: int, rows: int, clusters: Clusters) -> int:
        """Join the similar pairs of a round, which reads `rows` rows; returns the number of pairs compared."""
        inputs = [f"pairs-{number}", *(f"compared-{earlier}" for earlier in range(number))]
        outputs = [f"compared-{number}", f"edges-{number}", "ends"]
        parts = self._parts(rows, PAIR.itemsize, TEXTS, inputs, outputs, prefix=f"{number}-")
        compared = sum(self._run(partial(verify, self._settings), parts, texts=True))
        files = sorted(self._folder(f"edges-{number}").iterdir())
        clusters.join(np.concatenate([np.fromfile(path, np.uint64).reshape(-1, 2) for path in files]))
        return compared

    def _decide(self, clusters: Clusters, compared: int) -> Found:
        clusters.write(self._scratch / "roots")
        jobs = [
            Job(name, (path, self._scratch / "roots"), {"members": self._folder("members") / name})
            for folder in ("copies", "ends")
            for path in sorted(self._folder(folder).iterdir())
            for name in [f"{folder}-{path.name}"]
        ]
        members = sum(self._run(find_members, jobs))
        parts = self._parts(members, MEMBER.itemsize, TEXTS, ["members"], ["removals", "clusters"])
        counts, largest, across = zip(*self._run(partial(decide, self._settings), parts, texts=True), strict=True)
        return Found(compared, sum(counts), max(largest), sum(across))

    def _folder(self, name: str) -> Path:
        folder = self._scratch / name
        folder.mkdir(exist_ok=True)
        return folder

    def _spans(self, role: str, *inputs: str) -> list[Span]:
        folders = [self._folder(name) for name in inputs]
        return spans(self._documents, self._settings.span_bytes(), folders, role, self._folder(role))

    def _parts(
        self, rows: int, row_bytes: int, enough: int, inputs: list[str], outputs: list[str], prefix: str = ""
    ) -> list[Partition]:
        paths = [self._scratch / name for name in inputs]
        folders = {name.split("-")[0]: self._folder(name) for name in outputs}
        return partitions(rows, row_bytes, self._settings.memory, enough, paths, folders, prefix)

    def _run(self, function: Callable[..., Result], jobs: Sequence[Job], texts: bool = False) -> Iterator[Result]:
        """Run a phase. With `texts`, its function also gets the list of the documents' shards."""
        from tqdm import tqdm

        shards: dict[str, Any] = {"start": all_shards, "arguments": (self._documents,)} if texts else {}
        results = map_shards(function, jobs, scratch=self._scratch, pool=self._pool, **shards)
        name = next(iter(jobs[0].outputs)) if jobs else "nothing"
        return iter(tqdm(results, desc=f"dedup_corpus {name}", total=len(jobs), unit="job"))
