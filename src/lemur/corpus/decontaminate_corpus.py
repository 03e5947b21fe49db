"""Stage `decontaminate_corpus`: remove documents that contain benchmark items, by the instruction data's rule."""

import logging
import pickle
from dataclasses import dataclass
from pathlib import Path

from lemur.core.counts import Counts
from lemur.core.records import Record, jsonl_writer, read_jsonl
from lemur.core.shards import Job
from lemur.decontamination.overlaps import Findings, OverlapParams, Overlaps

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

    from lemur.core.rejects import SUFFIX
    from lemur.core.shards import map_shards, scratch_beside
    from lemur.corpus.documents import all_shards

    shards = [
        Shard(path.stem, (path,), {"kept": kept / path.name, "rejects": rejects / f"{path.stem}{SUFFIX}"}, source)
        for source, path in all_shards(documents)
    ]
    counts, findings = Counts("decontaminate_corpus"), Findings()
    with scratch_beside(kept) as scratch:
        overlaps = Overlaps.with_sources(params, *benchmarks)
        compared = overlaps.compared()
        # The index is made once, and each worker loads it. No shard divides the benchmarks, so nothing more is shared.
        index = scratch / "overlaps.pickle"
        index.write_bytes(pickle.dumps(overlaps))
        del overlaps
        results = map_shards(decontaminate_shard, shards, scratch=scratch, start=_load, arguments=(index,), shared=())
        for shard_counts, found in tqdm(results, desc="decontaminate_corpus", total=len(shards), unit="shard"):
            counts.add(shard_counts)
            findings.add(found)
    counts.write(report, **compared, overlaps=findings.report())
    log.info("decontaminate_corpus: %d documents contain benchmark items", counts.total_dropped("benchmark_overlap"))


@dataclass(frozen=True)
class Shard(Job):
    """Input: documents of one source. Outputs: `kept`, `rejects`."""

    source: str


def decontaminate_shard(overlaps: Overlaps, shard: Shard) -> tuple[Record, Findings]:
    """The shard's report of `Counts`, and what was found in it."""
    from lemur.core.rejects import rejects_writer

    findings = Findings()
    with jsonl_writer(shard.outputs["kept"]) as write, rejects_writer(shard.outputs["rejects"]) as reject:
        counts = Counts("decontaminate_corpus", reject)
        for record in read_jsonl(shard.inputs[0]):
            counts.entered(shard.source)
            detail = overlaps.judge(record["id"], record["text"], findings)
            if detail is None:
                counts.left(shard.source)
                write(record)
            else:
                counts.dropped(shard.source, "benchmark_overlap", record, **detail)
    return counts.report(), findings


def _load(index: Path) -> Overlaps:
    overlaps: Overlaps = pickle.loads(index.read_bytes())
    return overlaps
