"""Measures the corpus stages on four small corpora, so that start, jobs, code and text, and first process and workers,
come apart."""

import hashlib
import logging
import math
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from lemur.core.files import ROOT
from lemur.core.records import Record, read_json
from lemur.core.scales import blocks
from lemur.planning.corpus_rates import Rates, StageRates, Work, fit, versions
from lemur.planning.corpus_sample import write_sample
from lemur.planning.corpus_stages import MODEL, STAGES, Stage, call, entry, paths
from lemur.planning.measuring import PROCESSES, measure

REPEATS = 2  # the least counts: other programs can only add to processor time
WITHOUT_JOBS = 4  # times as many repeats of a short stage whose time grows with what it reads
EPOCHS = 4  # of the mixture; packing is so fast that once tells little
_LINES = ("driver_seconds", "workers_seconds", "read_mb", "written_mb", "disk_mb", "scratch_mb")

log = logging.getLogger(__name__)


class Sample(NamedTuple):
    """Megabytes of `code` and `text`, in files of `file_mb` megabytes, each a shard; `window`: documents packed
    together."""

    code: float
    text: float
    file_mb: float = 0.4
    window: int = 400


# The smallest has several jobs in each stage; the last one has small jobs.
SAMPLES = (Sample(0.5, 0.5), Sample(8.0, 0.5), Sample(0.5, 8.0), Sample(2.0, 2.0, file_mb=0.02, window=40))


def measure_rates() -> Rates:
    """Rates of this machine. Takes about two minutes of processor time and 100 MB of disk in `.lemur/`."""
    (ROOT / ".lemur").mkdir(exist_ok=True)
    runs: dict[str, list[tuple[Work, Record]]] = {stage.name: [] for stage in STAGES}
    for sample in SAMPLES:
        with TemporaryDirectory(dir=ROOT / ".lemur", prefix="calibration-") as name:
            folder = Path(name)
            raw = write(folder, sample)
            for stage, work, measured in measurements(folder, raw, window=sample.window):
                runs[stage].append((work, measured))
                seconds = measured["driver_seconds"] + measured["workers_seconds"]
                log.info("%s: %.1f MB of code, %.1f MB of text: %.1f s", stage, sample.code, sample.text, seconds)
    return Rates(
        sample_mb=max(sample.code + sample.text for sample in SAMPLES),
        repeat_seconds=max(
            measured["repeat_seconds"] for stage in STAGES if not stage.has_jobs for _, measured in runs[stage.name]
        ),
        hashed_mb_per_second=_hashing_rate(),
        stages={stage.name: _rates(stage, runs[stage.name]) for stage in STAGES},
        **versions(),
    )


def write(folder: Path, sample: Sample) -> Work:
    """Write a sample corpus of about this size as the inputs of `clean_corpus`, and the benchmarks' items. Returns the
    work of `clean_corpus`."""
    corpus, benchmarks = (
        [Path(dep).name for dep in entry(stage)["deps"] if dep.startswith("data/raw/")]
        for stage in ("clean_corpus", "decontaminate_corpus")
    )
    sizes = write_sample(folder / "data/raw", sample.code, sample.text, sample.file_mb, corpus, benchmarks)
    return Work(**sizes)


def measurements(
    folder: Path, raw: Work, *, window: int = SAMPLES[0].window, repeats: int = REPEATS
) -> Iterator[tuple[str, Work, Record]]:
    """(stage, its work, the least of what `measure` returns) of each stage, one after the other. `repeat_seconds`: how
    far the two least of `driver_seconds` are apart, 0 for a single one.

    Args:
        raw: the work of `clean_corpus`.
        window: documents that `pack_corpus` packs together.
    """
    params = _blocks(window)
    for stage in STAGES:
        if stage.name == "tokenize_corpus":
            call("tokenizer", folder, params)
        if stage.name == "mix_corpus":
            _take_everything(params, folder)
        work = raw if stage.name == "clean_corpus" else _work(stage.name, folder, window)
        count = repeats if stage.has_jobs else WITHOUT_JOBS * repeats
        runs = [measure(stage.name, folder, params) for _ in range(count)]
        shortest, *others = sorted(run["driver_seconds"] for run in runs)
        least = {name: min(run[name] for run in runs) for name in runs[0]}
        yield stage.name, work, {**least, "repeat_seconds": others[0] - shortest if others else 0.0}


def predicted_seconds(rates: StageRates, work: Work, processes: int = PROCESSES) -> float:
    """Processor seconds of a stage with so many workers."""
    workers = rates.workers_seconds
    return rates.driver_seconds.at(work) + processes * workers.start + workers.growth(work)


def _blocks(window: int) -> Record:
    """The parameters of scale paper, with small shards and a tokenizer that needs no download."""
    params = blocks("paper")
    params["clean_corpus"] |= {"shard_bytes": 1, "max_bad_share": 1.0}
    params["pack_corpus"]["window_documents"] = window
    params["tokenizer"] |= {"kind": "train", "max_bytes": 500_000}
    return params


def _take_everything(params: Record, folder: Path) -> None:
    """Make the mixture `EPOCHS` times each source's documents, whatever their number."""
    report: Any = read_json(paths("tokenize_corpus", folder)["report"])
    weights = {source: float(row["tokens"]) for source, row in report["sources"].items()}
    total = EPOCHS * report["tokens"]
    params["mix_corpus"][MODEL] |= {"total_tokens": total, "weights": weights, "max_epochs": float(EPOCHS)}


def _work(stage: str, folder: Path, window: int) -> Work:
    from lemur.corpus.documents import all_shards, read_documents
    from lemur.corpus.sources import group

    total = {"code": 0, "text": 0}
    if stage in ("mix_corpus", "pack_corpus"):
        sources = read_json(paths("tokenize_corpus", folder)["report"])["sources"]
        epochs = EPOCHS if stage == "pack_corpus" else 1
        for source, row in sources.items():
            total[group(source)] += epochs * row["tokens"]
        documents = sum(row["documents"] for row in sources.values())
        jobs = math.ceil(epochs * documents / window) if stage == "pack_corpus" else 0
    else:
        shards = paths(stage, folder)["train" if stage == "tokenize_corpus" else "documents"]
        for record in read_documents(shards):
            total[record["group"]] += len(record["text"].encode())
        jobs = len(all_shards(shards))
    return Work(jobs, total["code"] / 1e6, total["text"] / 1e6)


def _rates(stage: Stage, runs: list[tuple[Work, Record]]) -> StageRates:
    # Of all but the small jobs: what a worker takes to start and end one would hide in small differences.
    amounts = [work._replace(jobs=0) for work, _ in runs[:-1]]
    lines = {name: fit(amounts, [measured[name] for _, measured in runs[:-1]]) for name in _LINES}
    if stage.has_jobs:
        jobs = [Work(work.jobs, 0, 0) for work, _ in runs]
        lines["driver_seconds"] = fit(jobs, [measured["driver_seconds"] for _, measured in runs])
    workers = lines["workers_seconds"]
    lines["workers_seconds"] = workers.model_copy(update={"start": workers.start / PROCESSES})
    memory = {name: max(measured[name] for _, measured in runs) for name in ("driver_mb", "worker_mb")}
    return StageRates(**lines, **memory)  # type: ignore[arg-type]


def _hashing_rate() -> float:
    data = bytes(50_000_000)
    before = time.process_time()
    hashlib.md5(data, usedforsecurity=False)
    return len(data) / 1e6 / (time.process_time() - before)
