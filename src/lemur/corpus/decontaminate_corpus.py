"""Stage `decontaminate_corpus`: remove documents that contain benchmark items, by the instruction data's rule."""

import logging
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
    benchmarks: dict[str, Literal["remove", "report", "ignore"]] = Field(
        description="what overlap with each benchmark leads to"
    )


def decontaminate_corpus(
    params: Params,
    documents: Path,
    mmlu: Path,
    gsm8k: Path,
    humaneval: Path,
    bbh: Path,
    mbpp: Path,
    spider: Path,
    multipl_e: Path,
    ds1000: Path,
    agents: Path,
    *,
    kept: Path,
    rejects: Path,
    report: Path,
) -> None:
    from tqdm import tqdm

    from lemur.corpus.documents import documents_writer, read_documents
    from lemur.decontamination import BenchmarkIndex, Overlaps

    benchmarks = (mmlu, gsm8k, humaneval, bbh, mbpp, spider, multipl_e, ds1000, agents)
    index = BenchmarkIndex.from_sources(*benchmarks, ngram=params.ngram, code_ngram=params.code_ngram)
    overlaps = Overlaps(index, params.benchmarks, params.minimum_share)
    with documents_writer(kept) as write, jsonl_writer(rejects) as reject:
        counts = Counts("decontaminate_corpus", reject)
        for record in tqdm(read_documents(documents), desc="decontaminate_corpus"):
            counts.entered(record["source"])
            detail = overlaps.judge(record["id"], record["text"])
            if detail is None:
                counts.left(record["source"])
                write(record)
            else:
                counts.dropped(record["source"], "benchmark_overlap", record, **detail)
    counts.write(report, benchmarks=index.summary(), overlaps=overlaps.report())
    log.info("decontaminate_corpus: %d documents contain benchmark items", counts.total_dropped("benchmark_overlap"))
