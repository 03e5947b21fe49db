"""Stage `dedup_corpus`: remove exact and near-duplicate documents across all sources."""

import logging
from pathlib import Path

from pydantic import Field

from lemur.counts import Counts
from lemur.pipeline.params import StageParams
from lemur.records import jsonl_writer

PACKAGES = ("rensa", "numpy")

log = logging.getLogger(__name__)


class Params(StageParams):
    shingle_words: int = Field(ge=1, description="words and signs in a shingle")
    bands: int = Field(ge=1, description="bands of a signature; two documents that agree in one are compared")
    rows: int = Field(ge=1, description="permutations in a band")
    min_similarity: float = Field(
        gt=0, le=1, description="Jaccard similarity of shingles from which two are duplicates"
    )
    seed: int = Field(ge=0, description="of the permutations")


def dedup_corpus(params: Params, documents: Path, *, distinct: Path, rejects: Path, report: Path) -> None:
    """Keep of each cluster of duplicates its longest document, of several the one of smallest id.

    What stays depends on the documents alone, not on their order or files. A reject names the document that was kept
    for it, which so names the cluster, and their similarity: null if they are alike only through a third one.
    """
    from tqdm import tqdm

    from lemur.corpus.documents import documents_writer, read_documents
    from lemur.corpus.duplicates import Corpus
    from lemur.corpus.minhash import clusters

    permutations = params.bands * params.rows
    corpus = Corpus(documents, shingle_words=params.shingle_words, permutations=permutations, seed=params.seed)
    near, compared = corpus.near(params.bands, params.min_similarity)
    pairs = near | corpus.exact()
    entries = corpus.entries
    keepers: dict[int, int] = {}
    sizes = []
    for members in clusters(len(entries), sorted(pairs)):
        keeper = min(members, key=lambda member: (-entries[member].length, member))
        keepers.update((member, keeper) for member in members if member != keeper)
        sizes.append(len(members))
    numbers = {entry.place: number for number, entry in enumerate(entries)}
    across = 0
    with documents_writer(distinct) as write, jsonl_writer(rejects) as reject:
        counts = Counts("dedup_corpus", reject)
        for place, record in enumerate(tqdm(read_documents(documents), desc="dedup_corpus")):
            source, number = record["source"], numbers[place]
            counts.entered(source)
            if number not in keepers:
                counts.left(source)
                write(record)
                continue
            keeper = keepers[number]
            kept = entries[keeper]
            across += kept.source != source
            exact = kept.digest == entries[number].digest
            similarity = 1.0 if exact else near.get((min(number, keeper), max(number, keeper)))
            rounded = None if similarity is None else round(similarity, 4)
            reason = "exact_duplicate" if exact else "near_duplicate"
            counts.dropped(source, reason, record, duplicate_of=kept.id, similarity=rounded)
    found = {"count": len(sizes), "largest": max(sizes, default=0), "removed_across_sources": across}
    counts.write(report, clusters=found, compared_pairs=compared)
    log.info("dedup_corpus: %d of %d documents are duplicates", len(keepers), len(entries))
