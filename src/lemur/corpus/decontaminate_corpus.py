"""Stage `decontaminate_corpus`: remove documents that contain benchmark items, by the instruction data's rule."""

import logging
from collections import Counter, defaultdict
from pathlib import Path
from typing import Literal

from pydantic import Field

from lemur.counts import Counts
from lemur.pipeline.params import StageParams
from lemur.records import jsonl_writer

log = logging.getLogger(__name__)


class Params(StageParams):
    ngram: int = Field(ge=4, description="words of an n-gram of text")
    code_ngram: int = Field(ge=4, description="tokens of an n-gram of code")
    minimum_share: float = Field(gt=0, le=1, description="share of an item's n-grams from which a document contains it")
    benchmarks: dict[Literal["mmlu", "gsm8k", "humaneval"], Literal["remove", "report", "ignore"]] = Field(
        description="what overlap with each benchmark leads to"
    )


def decontaminate_corpus(
    params: Params,
    documents: Path,
    mmlu: Path,
    gsm8k: Path,
    humaneval: Path,
    *,
    kept: Path,
    rejects: Path,
    report: Path,
) -> None:
    from tqdm import tqdm

    from lemur.corpus.documents import documents_writer, read_documents
    from lemur.decontamination import BenchmarkIndex

    index = BenchmarkIndex.from_sources(mmlu, gsm8k, humaneval, ngram=params.ngram, code_ngram=params.code_ngram)
    pairs: defaultdict[str, Counter[str]] = defaultdict(Counter)
    items: defaultdict[str, set[str]] = defaultdict(set)
    with documents_writer(kept) as write, jsonl_writer(rejects) as reject:
        counts = Counts("decontaminate_corpus", reject)
        for record in tqdm(read_documents(documents), desc="decontaminate_corpus", disable=None):
            counts.entered(record["source"])
            worst = None
            for match in index.find(record["text"]):
                whole = match.share >= params.minimum_share
                action = params.benchmarks.get(match.benchmark, "remove")  # type: ignore[call-overload]
                pairs[match.benchmark][action if whole else "below_share"] += 1
                if whole and action != "ignore":
                    items[match.benchmark].add(match.item)
                    worst = worst or (match if action == "remove" else None)
            if worst is None:
                counts.left(record["source"])
                write(record)
                continue
            detail = {"benchmark": worst.benchmark, "item": worst.item, "view": worst.view, "ngram": worst.ngram}
            counts.dropped(record["source"], "benchmark_overlap", record, share=round(worst.share, 4), **detail)
    counts.write(
        report,
        benchmarks=index.summary(),
        pairs={name: dict(sorted(kinds.items())) for name, kinds in sorted(pairs.items())},
        items={name: len(found) for name, found in sorted(items.items())},
    )
    log.info("decontaminate_corpus: %d documents contain benchmark items", counts.total_dropped("benchmark_overlap"))
