"""Stage `dedup_corpus`: remove exact and near-duplicate documents across all sources."""

import logging
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from lemur.core.counts import Counts
from lemur.core.params import StageParams
from lemur.core.records import Record, jsonl_writer, read_jsonl
from lemur.corpus.dedup.which_to_keep import keeper

if TYPE_CHECKING:
    from lemur.corpus.dedup.duplicates import Duplicates

PACKAGES = ("rensa", "numpy")
SHOWN_CHARS = 80  # characters of each document in the list of clusters

log = logging.getLogger(__name__)


class Params(StageParams):
    shingle_words: int = Field(ge=1, description="words and punctuation marks in a shingle")
    renamed_tokens: int | None = Field(
        ge=2, description="tokens in a shingle of code that ignores names; null = keep code that only differs in names"
    )
    bands: int = Field(ge=1, description="bands of a signature; documents that agree in one band are compared")
    rows: int = Field(ge=1, description="permutations in a band")
    min_similarity: float = Field(gt=0, le=1, description="lowest Jaccard similarity of two duplicates' shingles")
    min_renamed_similarity: float = Field(gt=0, le=1, description="the same for shingles that ignore names")
    seed: int = Field(ge=0, description="seed of the permutations and of the planted copies")
    planted: int = Field(ge=0, description="documents to plant copies of, to report precision and recall")


def dedup_corpus(
    params: Params, documents: Path, *, distinct: Path, rejects: Path, clusters: Path, report: Path
) -> None:
    """Keep the longest document of each cluster of duplicates; ties go to the smallest id.

    The choice depends on the documents alone, not on their order or files. `clusters` has one line per cluster: the
    kept document and, for each other member, why it is a duplicate. Jaccard similarities are to the kept document;
    members linked only through a third document can fall below the minimum in params.yaml.
    """
    from tqdm import tqdm

    from lemur.core.parallel import Pool
    from lemur.core.rank import rank
    from lemur.core.rejects import SUFFIX, rejects_writer
    from lemur.core.shards import scratch_beside
    from lemur.corpus.dedup.duplicates import Duplicates
    from lemur.corpus.dedup.planted import evaluate
    from lemur.corpus.dedup.sketches import Settings
    from lemur.corpus.documents import all_shards
    from lemur.corpus.sampling import Limit

    settings = Settings(params.shingle_words, params.renamed_tokens, params.bands, params.rows, params.seed)
    thresholds = (params.min_similarity, params.min_renamed_similarity)
    counts = Counts("dedup_corpus")
    with scratch_beside(distinct) as scratch, Pool() as pool:
        duplicates = Duplicates(documents, settings, *thresholds, scratch, pool)
        removals = _Removals(params, duplicates)
        removals.write(clusters)
        sample = Limit(params.planted)
        across_sources = place = 0
        for source, shard in tqdm(all_shards(documents), desc="dedup_corpus", unit="shard"):
            with (
                jsonl_writer(distinct / shard.name) as write,
                rejects_writer(rejects / f"{shard.stem}{SUFFIX}") as reject,
            ):
                shard_counts = Counts("dedup_corpus", reject)
                for record in read_jsonl(shard):
                    removal = removals.at(place)
                    place += 1
                    shard_counts.entered(source)
                    if removal is None:
                        shard_counts.left(source)
                        write(record)
                        for _ in sample.push(rank(params.seed, record["id"]), record["id"], 1, record):
                            pass
                        continue
                    reason, detail, kept_source = removal
                    across_sources += kept_source != source
                    shard_counts.dropped(source, reason, record, **detail)
                counts.add(shard_counts.report())
        chosen = sample.chosen()
        planted = evaluate(chosen, settings, *thresholds, scratch / "planted", pool) if params.planted else None
    counts.write(
        report,
        clusters={"count": removals.count, "largest": removals.largest, "removed_across_sources": across_sources},
        compared_pairs=duplicates.compared,
        planted=planted,
    )
    log.info(
        "dedup_corpus: %d of %d documents are duplicates", counts.total_in() - counts.report()["out"], counts.total_in()
    )


class _Removals:
    """The clusters, and for each removed document the one that is kept instead.

    `count`: clusters; `largest`: members of the largest one.
    """

    def __init__(self, params: Params, duplicates: "Duplicates") -> None:
        self._params = params
        self._duplicates = duplicates
        entries = duplicates.entries
        self._keeper = np.full(len(entries), -1)
        self.count = self.largest = 0
        for members in duplicates.clusters():
            kept = keeper(members, entries["length"])
            self._keeper[[member for member in members if member != kept]] = kept
            self.count += 1
            self.largest = max(self.largest, len(members))
        # Ordered by kept document, then member.
        dropped = np.flatnonzero(self._keeper >= 0)
        self._dropped = dropped[np.argsort(self._keeper[dropped], kind="stable")]
        self._similarity = np.zeros((len(dropped), 2))
        pairs = np.stack([self._keeper[self._dropped], self._dropped], axis=1)
        for row, similarity in enumerate(duplicates.similarities(pairs)):
            self._similarity[row] = similarity
        self._by_place = np.argsort(entries["place"][self._dropped], kind="stable")
        self._places = entries["place"][self._dropped][self._by_place]

    def at(self, place: int) -> tuple[str, Record, str] | None:
        """(reason, detail, source of the kept document) if the document at `place` is removed, else None."""
        index = int(np.searchsorted(self._places, place))
        if index == len(self._places) or self._places[index] != place:
            return None
        row = int(self._by_place[index])
        reason, detail = self._reason(row)
        keeper = self._duplicates.entries[self._keeper[self._dropped[row]]]
        source = self._duplicates.place(int(self._keeper[self._dropped[row]])).source
        return reason, {"duplicate_of": keeper["id"].decode(), **detail}, source

    def _reason(self, row: int) -> tuple[str, Record]:
        from lemur.corpus.dedup.duplicates import EXACT, NEAR, RENAMED

        entries = self._duplicates.entries
        number = self._dropped[row]
        exact = entries["digest"][number] == entries["digest"][self._keeper[number]]
        words, renamed = (round(float(value), 4) for value in self._similarity[row])
        if exact:
            return EXACT, {"similarity": 1.0}
        if words < self._params.min_similarity and renamed >= self._params.min_renamed_similarity:
            return RENAMED, {"similarity": words, "renamed_similarity": renamed}
        return NEAR, {"similarity": words}

    def write(self, path: Path) -> None:
        keepers = self._keeper[self._dropped]
        borders = np.flatnonzero(np.diff(keepers, prepend=-1, append=-1)).tolist()
        with jsonl_writer(path) as write:
            for number, (start, end) in enumerate(pairwise(borders), 1):
                members = []
                for row in range(start, end):
                    reason, detail = self._reason(row)
                    members.append({**self._summary(int(self._dropped[row])), "reason": reason, **detail})
                write({"cluster": number, "kept": self._summary(int(keepers[start])), "members": members})

    def _summary(self, number: int) -> Record:
        from lemur.core.records import read_at

        entry = self._duplicates.entries[number]
        place = self._duplicates.place(number)
        with place.path.open("rb") as file:
            text = read_at(file, place.offset)["text"]
        return {
            "id": entry["id"].decode(),
            "source": place.source,
            "characters": int(entry["length"]),
            "begins": text[:SHOWN_CHARS],
        }
