"""Stage `decontaminate_corpus`: remove documents that contain benchmark items, by the instruction data's rule."""

import logging
from pathlib import Path

from lemur.core.counts import Counts
from lemur.core.rejects import SUFFIX, rejects_writer
from lemur.decontamination.overlaps import OverlapParams, Overlaps

READS = "benchmark"  # kind of sources

log = logging.getLogger(__name__)


class Params(OverlapParams):
    pass


def decontaminate_corpus(
    params: Params,
    documents: Path,
    benchmarks: list[Path],
    *,
    kept: Path,
    rejects: Path,
    report: Path,
) -> None:
    from tqdm import tqdm

    from lemur.corpus.documents import documents_writer, read_documents

    overlaps = Overlaps.with_sources(params, *benchmarks)
    with documents_writer(kept) as write, rejects_writer(rejects / f"all{SUFFIX}") as reject:
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
