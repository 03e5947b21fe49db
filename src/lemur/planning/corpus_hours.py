"""Hours, memory, disk and traffic of each corpus stage on given machines.

A stage starts, does its serial part in its first process and its shards in workers, here one after the other, so
hours = start + serial + parallel / (cores x machines), and never less than its longest job (one shard) takes. Stages
follow each other.
"""

import math
from dataclasses import dataclass
from typing import Any

from lemur.core.records import Record
from lemur.planning.corpus_rates import Rates, Work
from lemur.planning.corpus_stages import STAGES, Amount, Stage

CHECKSUMS = "checksums"
_HASHED = "none; MD5 of all outputs, by DVC after a stage and by the stage that reads them, in up to 16 threads"
_WINDOW = "pack_corpus.window_documents"
_SPANS_IN_MEMORY = 16  # lemur.corpus.dedup.settings
_HASHING_THREADS = 16  # of DVC and of the check of a stage's inputs, at most


@dataclass(frozen=True)
class Corpus:
    """`sources`: rows of `data_plan.plan`. `params`: leaves of params.yaml. `assumptions`: corpus_assumptions.yaml."""

    sources: list[Record]
    params: Record
    assumptions: Record

    def amount(self, amount: Amount, kind: str | None = None) -> float:
        return sum(row[amount] for row in self.sources if kind in (None, row["group"])) / 1e6

    def largest_job(self, stage: Stage) -> list[Work]:
        """The largest job of each source; the shards of `clean_corpus` stay to the end of `tokenize_corpus`, and
        `pack_corpus` works on windows."""
        if stage.amount == "tokens":
            share = self._window() / (self.packed_documents() or 1.0)
            return [Work(1, share * self.amount("tokens", "code"), share * self.amount("tokens", "text"))]
        jobs = []
        for row in self.sources:
            compression = self.assumptions["assumed"]["raw_compression"][row["group"]]
            shard = (
                self.params["clean_corpus.shard_bytes"] * compression * row[stage.amount] / (row["raw_bytes"] or 1.0)
            )
            amount = min(shard, row[stage.amount]) / 1e6
            jobs.append(_of_group(row["group"], 1, amount))
        return jobs

    def memory_mb(self, stage: str, process: str) -> float:
        """Memory that grows with the corpus or with a parameter."""
        growth = self.assumptions["memory"].get(stage)
        if not growth or growth["process"] != process:
            return 0.0
        documents = sum(row["documents"] for row in self.sources)
        window = self._window() / (self.packed_documents() or 1.0) * 1e6 * self.amount("tokens")
        numbers = {"documents": documents, "window_tokens": window}
        per = growth["per"]
        number: float = numbers[per] if per in numbers else self.params[per]
        return growth["bytes"] * number / 1e6

    def packed_documents(self) -> float:
        return sum(row["documents"] * row["epochs"] for row in self.sources)

    def _window(self) -> float:
        return min(self.params[_WINDOW], self.packed_documents())


def work(stage: Stage, row: Record, params: Record) -> Work:
    """A source's part of a stage's work."""
    if not stage.has_jobs:
        return _of_group(row["group"], 0, row[stage.amount] / 1e6)
    shards = min(row["files"], math.ceil(row["downloaded_bytes"] / params["clean_corpus.shard_bytes"]))
    if stage.amount == "tokens":
        jobs = row["documents"] * row["epochs"] / params[_WINDOW]
    elif stage.name == "dedup_corpus":  # it works on parts of shards
        jobs = max(shards, row["raw_bytes"] / (1e6 * params["dedup_corpus.memory_mb"] / _SPANS_IN_MEMORY))
    else:
        jobs = shards
    return _of_group(row["group"], jobs, row[stage.amount] / 1e6)


def _of_group(group: str, jobs: float, amount: float) -> Work:
    return Work(jobs, amount, 0.0) if group == "code" else Work(jobs, 0.0, amount)


def stage_plans(corpus: Corpus, rates: Rates, *, cores: int, machines: int) -> list[Record]:
    """One row a stage, in order, then `checksums`: all outputs, by DVC after a stage and again before the next one."""
    rows = [_stage(stage, corpus, rates, cores, machines) for stage in STAGES]
    hashed = 2 * sum(row["disk_bytes"] for row in rows)
    seconds = hashed / 1e6 / rates.hashed_mb_per_second
    times = amdahl(start=0.0, serial=0.0, parallel=seconds, longest=0.0, processors=min(cores, _HASHING_THREADS))
    return [*rows, _row(CHECKSUMS, _HASHED, False, times, read_bytes=hashed)]


def amdahl(*, start: float, serial: float, parallel: float, longest: float, processors: int) -> dict[str, float]:
    """Hours from seconds: of the whole, of each part, and of the longest job."""
    start, serial, parallel, longest = (seconds / 3600 for seconds in (start, serial, parallel, longest))
    return {
        "hours": start + serial + max(parallel / processors, longest),
        "start_hours": start,
        "serial_hours": serial,
        "parallel_hours": parallel,
        "longest_job_hours": longest,
    }


def _stage(stage: Stage, corpus: Corpus, rates: Rates, cores: int, machines: int) -> Record:
    measured = rates.stages[stage.name]
    all_work = Work(*map(sum, zip(*(work(stage, row, corpus.params) for row in corpus.sources), strict=True)))
    jobs = corpus.largest_job(stage)
    used = machines if stage.has_jobs else 1
    times = amdahl(
        start=measured.driver_seconds.start + measured.workers_seconds.start,
        serial=measured.driver_seconds.growth(all_work),
        parallel=measured.workers_seconds.growth(all_work),
        longest=max(measured.workers_seconds.growth(job) for job in jobs),
        processors=used * cores,
    )
    has_workers = bool(times["parallel_hours"])
    disk = measured.disk_mb.growth(all_work)
    # A worker writes a shard to scratch and renames it.
    unfinished = min(disk, used * cores * max(measured.disk_mb.growth(job) for job in jobs)) if has_workers else 0.0
    return _row(
        stage.name,
        stage.serial,
        stage.has_jobs,
        times,
        worker_mb=measured.worker_mb + corpus.memory_mb(stage.name, "worker") if has_workers else 0.0,
        driver_mb=measured.driver_mb + corpus.memory_mb(stage.name, "driver"),
        disk_bytes=1e6 * disk,
        scratch_bytes=1e6 * (measured.scratch_mb.growth(all_work) + unfinished),
        read_bytes=1e6 * measured.read_mb.growth(all_work),
        written_bytes=1e6 * measured.written_mb.growth(all_work),
        downloaded_bytes=_downloaded(stage, corpus),
    )


def _downloaded(stage: Stage, corpus: Corpus) -> float:
    return sum(row["downloaded_bytes"] for row in corpus.sources) if stage is STAGES[0] else 0.0


def _row(name: str, serial: str, several_machines: bool, times: dict[str, float], **needs: float) -> Record:
    sizes: dict[str, Any] = dict.fromkeys(("worker_mb", "driver_mb"), 0.0)
    moved = ("disk_bytes", "scratch_bytes", "read_bytes", "written_bytes", "downloaded_bytes")
    sizes |= {**dict.fromkeys(moved, 0.0), **needs}
    traffic = sizes["read_bytes"] + sizes["written_bytes"] + sizes["downloaded_bytes"]
    rate = traffic / 1e6 / (3600 * times["hours"]) if times["hours"] else 0.0
    return {
        "stage": name,
        "serial_part": serial,
        "several_machines": several_machines,
        **times,
        **sizes,
        "mb_per_second": rate,
    }
