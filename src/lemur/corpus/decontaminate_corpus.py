"""Stage `decontaminate_corpus`: remove documents that contain benchmark items, by the instruction data's rule."""

import logging
from pathlib import Path

from lemur.core.counts import Counts
from lemur.core.records import jsonl_writer
from lemur.decontamination.index import OverlapParams, Overlaps

log = logging.getLogger(__name__)


class Params(OverlapParams):
    pass


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

    benchmarks = (mmlu, gsm8k, humaneval, bbh, mbpp, spider, multipl_e, ds1000, agents)
    overlaps = Overlaps.with_sources(params, *benchmarks)
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
    counts.write(report, **overlaps.report())
    log.info("decontaminate_corpus: %d documents contain benchmark items", counts.total_dropped("benchmark_overlap"))
