"""Stage `mix_instructions`: remove conversations that overlap the benchmarks, then sample each source (Table 1)."""

import hashlib
import logging
from collections import defaultdict
from pathlib import Path

from pydantic import Field

from lemur.core.counts import Counts
from lemur.core.records import jsonl_writer, read_at, scan
from lemur.decontamination.overlaps import Findings, OverlapParams, Overlaps

READS = "benchmark"  # kind of sources

log = logging.getLogger(__name__)


class Params(OverlapParams):
    seed: int = Field(ge=0, description="seed of the sample and of its order")
    sources: dict[str, int | None] = Field(
        description="maximum number of conversations per source; null (the default) for all"
    )


def mix_instructions(
    params: Params,
    text: Path,
    code: Path,
    benchmarks: list[Path],
    *,
    instructions: Path,
    rejects: Path,
    report: Path,
) -> None:
    """Write a sample whose order depends only on the seed and the ids, so that neither the order nor the length of the
    input moves a sampled conversation. Sampling comes last, so that removed overlaps do not shrink the sample."""
    from tqdm import tqdm

    overlaps, findings = Overlaps.with_sources(params, *benchmarks), Findings()
    chosen: defaultdict[str, list[tuple[bytes, Path, int]]] = defaultdict(list)
    with jsonl_writer(rejects) as reject, jsonl_writer(instructions) as write:
        counts = Counts("mix_instructions", reject)
        for path in (text, code):
            for offset, record in tqdm(scan(path), desc=f"mix_instructions {path.name}"):
                source = record["source"]
                counts.entered(source)
                conversation = "\n".join(turn["content"] for turn in record["messages"])
                detail = overlaps.judge(record["id"], conversation, findings)
                if detail is not None:
                    counts.dropped(source, "benchmark_overlap", record, **detail)
                else:
                    chosen[source].append((_rank(params.seed, record["id"]), path, offset))
        selected: list[tuple[bytes, Path, int]] = []
        with text.open("rb") as text_file, code.open("rb") as code_file:
            files = {text: text_file, code: code_file}
            for source in sorted(chosen):
                ranked = sorted(chosen[source])
                taken = ranked[: params.sources.get(source)]
                selected += taken
                for _, path, offset in ranked[len(taken) :]:
                    # Keep no record in the rejects: sampling is no verdict, and it drops 800,000 of OpenOrca.
                    counts.dropped(source, "not_sampled", None, id=read_at(files[path], offset)["id"])
            for _, path, offset in sorted(selected):
                record = read_at(files[path], offset)
                counts.left(record["source"])
                write(record)
    counts.write(report, seed=params.seed, **overlaps.compared(), overlaps=findings.report())
    log.info("mix_instructions: %d of %d conversations in the mix", len(selected), counts.total_in())


def _rank(seed: int, identifier: str) -> bytes:
    return hashlib.sha256(f"{seed} {identifier}".encode()).digest()
