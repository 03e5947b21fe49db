"""Stage `dedup_corpus`: remove exact and near-duplicate documents across all sources."""

import logging
from collections import deque
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from lemur.core.counts import Counts
from lemur.core.params import StageParams
from lemur.core.records import jsonl_writer

if TYPE_CHECKING:
    from lemur.corpus.dedup.settings import Settings

PACKAGES = ("rensa", "numpy")

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
    memory_mb: float = Field(
        gt=0, description="most megabytes of a partition of rows that a worker reads; affects no output"
    )

    def settings(self) -> "Settings":
        from lemur.corpus.dedup.settings import Settings

        return Settings(
            self.shingle_words,
            self.renamed_tokens,
            self.bands,
            self.rows,
            self.seed,
            self.min_similarity,
            self.min_renamed_similarity,
            int(self.memory_mb * 1e6),
        )


def dedup_corpus(
    params: Params, documents: Path, *, distinct: Path, rejects: Path, clusters: Path, report: Path
) -> None:
    """Keep the longest document of each cluster of duplicates; ties go to the smallest id.

    The choice depends on the documents alone, not on their order or files. `clusters` has one line per cluster: the
    kept document and, for each other member, why it is a duplicate. Jaccard similarities are to the kept document;
    members linked only through a third document can fall below the minimum in params.yaml.

    Raises `ValueError` if `memory_mb` cannot hold the largest group of copies, or of documents that share a key.
    """
    from tqdm import tqdm

    from lemur.core.parallel import Pool
    from lemur.core.shards import map_shards, scratch_beside
    from lemur.corpus.dedup.duplicates import Duplicates
    from lemur.corpus.dedup.outputs import output_shards, write_shard
    from lemur.corpus.dedup.planted import evaluate
    from lemur.corpus.dedup.spans import read_document
    from lemur.corpus.documents import all_shards
    from lemur.corpus.sampling import Limit

    settings = params.settings()
    counts = Counts("dedup_corpus")
    with scratch_beside(distinct) as scratch, Pool() as pool:
        duplicates = Duplicates(documents, settings, _folder(scratch / "search"), pool)
        with jsonl_writer(clusters) as write:
            for number, cluster in enumerate(duplicates.clusters(), 1):
                write({"cluster": number, **cluster})
        shards = output_shards(documents, duplicates.removals, distinct, rejects)
        results = map_shards(partial(write_shard, settings, params.planted), shards, scratch=scratch, pool=pool)
        chosen = Limit(params.planted)
        for shard_counts, ranked in tqdm(results, desc="dedup_corpus", total=len(shards), unit="shard"):
            counts.add(shard_counts)
            for rank, identifier, place in ranked:
                deque(chosen.push(rank, identifier, 1, place), maxlen=0)
        all_documents = all_shards(documents)
        texts = [read_document(all_documents, place) for place in chosen.chosen()]
        planted = evaluate(texts, settings, _folder(scratch / "planted"), pool) if params.planted else None
    found = duplicates.found
    counts.write(
        report,
        clusters={"count": found.clusters, "largest": found.largest, "removed_across_sources": found.across_sources},
        compared_pairs=found.compared,
        planted=planted,
    )
    log.info(
        "dedup_corpus: %d of %d documents are duplicates", counts.total_in() - counts.report()["out"], counts.total_in()
    )


def _folder(path: Path) -> Path:
    path.mkdir()
    return path
