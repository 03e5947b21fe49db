"""Measures the corpus stages on three small corpora, so that start, code and text, and first process and workers, come
apart."""

import hashlib
import logging
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory
from typing import Any

from lemur.core.files import ROOT
from lemur.core.records import Record, read_json
from lemur.core.scales import blocks
from lemur.planning.corpus_rates import Rates, StageRates, fit, versions
from lemur.planning.corpus_sample import write_sample
from lemur.planning.corpus_stages import MODEL, STAGES, call, entry, paths
from lemur.planning.measuring import PROCESSES, measure

SIZES = ((0.5, 0.5), (8.0, 0.5), (0.5, 8.0))  # megabytes of code and text
REPEATS = 2  # the least counts: other programs can only add to processor time
SHARD_BYTES = 100_000  # of files: each is a shard
WINDOW_DOCUMENTS = 400  # packed together; the smallest corpus has two such windows
EPOCHS = 4  # of the mixture; packing is so fast that once tells little
_LINES = ("driver_seconds", "workers_seconds", "read_mb", "written_mb", "disk_mb", "scratch_mb")

log = logging.getLogger(__name__)


def measure_rates() -> Rates:
    """Rates of this machine. Takes about two minutes of processor time and 100 MB of disk in `.lemur/`."""
    (ROOT / ".lemur").mkdir(exist_ok=True)
    runs: dict[str, list[tuple[tuple[float, float], Record]]] = {stage.name: [] for stage in STAGES}
    for code, text in SIZES:
        with TemporaryDirectory(dir=ROOT / ".lemur", prefix="calibration-") as name:
            folder = Path(name)
            raw = sample(folder, code, text)
            for stage, amount, measured in measurements(folder, raw):
                runs[stage].append((amount, measured))
                seconds = measured["driver_seconds"] + measured["workers_seconds"]
                log.info("%s: %.1f MB of code, %.1f MB of text: %.1f s", stage, code, text, seconds)
    return Rates(
        sample_mb=max(code + text for code, text in SIZES),
        repeat_seconds=fmean(measured["repeat_seconds"] for pairs in runs.values() for _, measured in pairs),
        hashed_mb_per_second=_hashing_rate(),
        stages={name: _rates(pairs) for name, pairs in runs.items()},
        **versions(),
    )


def sample(folder: Path, code: float, text: float) -> dict[str, float]:
    """Write a sample corpus of about these megabytes as the inputs of `clean_corpus`, and the benchmarks' items."""
    corpus, benchmarks = (
        [Path(dep).name for dep in entry(stage)["deps"] if dep.startswith("data/raw/")]
        for stage in ("clean_corpus", "decontaminate_corpus")
    )
    return write_sample(folder / "data/raw", code, text, corpus, benchmarks)


def measurements(
    folder: Path, raw: dict[str, float], repeats: int = REPEATS
) -> Iterator[tuple[str, tuple[float, float], Record]]:
    """(stage, (code, text) that goes in, the least of what `measure` returns) of each stage, one after the other.
    `repeat_seconds`: how far `driver_seconds` of the repeats are apart.

    Args:
        raw: megabytes of text in the sources, {"code": ..., "text": ...}.
    """
    params = _blocks()
    for stage in STAGES:
        if stage.name == "tokenize_corpus":
            call("tokenizer", folder, params)
        if stage.name == "mix_corpus":
            _take_everything(params, folder)
        amount = (raw["code"], raw["text"]) if stage.name == "clean_corpus" else _amount(stage.name, folder)
        runs = [measure(stage.name, folder, params) for _ in range(repeats)]
        driver = [run["driver_seconds"] for run in runs]
        least = {name: min(run[name] for run in runs) for name in runs[0]}
        yield stage.name, amount, {**least, "repeat_seconds": max(driver) - min(driver)}


def predicted_seconds(rates: StageRates, code: float, text: float, processes: int = PROCESSES) -> float:
    """Processor seconds of a stage with so many workers."""
    workers = rates.workers_seconds
    return rates.driver_seconds.at(code, text) + processes * workers.start + workers.growth(code, text)


def _blocks() -> Record:
    """The parameters of scale paper, with small shards and a tokenizer that needs no download."""
    params = blocks("paper")
    params["clean_corpus"] |= {"shard_bytes": SHARD_BYTES, "max_bad_share": 1.0}
    params["pack_corpus"]["window_documents"] = WINDOW_DOCUMENTS
    params["tokenizer"] |= {"kind": "train", "max_bytes": 500_000}
    return params


def _take_everything(params: Record, folder: Path) -> None:
    """Make the mixture `EPOCHS` times each source's documents, whatever their number."""
    report: Any = read_json(paths("tokenize_corpus", folder)["report"])
    weights = {source: float(row["tokens"]) for source, row in report["sources"].items()}
    total = EPOCHS * report["tokens"]
    params["mix_corpus"][MODEL] |= {"total_tokens": total, "weights": weights, "max_epochs": float(EPOCHS)}


def _amount(stage: str, folder: Path) -> tuple[float, float]:
    """Millions of bytes or tokens of code and text that go into a stage."""
    from lemur.corpus.documents import read_documents
    from lemur.corpus.sources import group

    total = {"code": 0, "text": 0}
    if stage in ("mix_corpus", "pack_corpus"):
        for source, row in read_json(paths("tokenize_corpus", folder)["report"])["sources"].items():
            total[group(source)] += row["tokens"] * (EPOCHS if stage == "pack_corpus" else 1)
    else:
        documents = paths(stage, folder)["train" if stage == "tokenize_corpus" else "documents"]
        for record in read_documents(documents):
            total[record["group"]] += len(record["text"].encode())
    return total["code"] / 1e6, total["text"] / 1e6


def _rates(runs: list[tuple[tuple[float, float], Record]]) -> StageRates:
    amounts = [amount for amount, _ in runs]
    lines = {name: fit(amounts, [measured[name] for _, measured in runs]) for name in _LINES}
    workers = lines["workers_seconds"]
    lines["workers_seconds"] = workers.model_copy(update={"start": workers.start / PROCESSES})
    memory = {name: max(measured[name] for _, measured in runs) for name in ("driver_mb", "worker_mb")}
    return StageRates(**lines, **memory)  # type: ignore[arg-type]


def _hashing_rate() -> float:
    data = bytes(50_000_000)
    before = time.process_time()
    hashlib.md5(data, usedforsecurity=False)
    return len(data) / 1e6 / (time.process_time() - before)
