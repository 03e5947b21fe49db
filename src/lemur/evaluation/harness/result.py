"""The result of an evaluation, in the layout of lm-evaluation-harness, and separate notes on the run."""

import logging
import os
import platform
import sys
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from lemur.core import workers
from lemur.core.files import ROOT
from lemur.core.params import StageParams
from lemur.core.records import Record, write_json, write_jsonl
from lemur.inference.answers.cache import CachedModel
from lemur.inference.interface import Model
from lemur.sources.fetched import Fetched

log = logging.getLogger(__name__)
NOTES = ROOT / "logs" / "evaluation"
"""Facts that differ from run to run: <model>/<task>.json. No stage reads them."""
_STARTED = time.monotonic()


def origin(source: Fetched, benchmark: str | None = None) -> Record:
    """Where a benchmark's items came from. `sample`: they were written for this project, so that their scores do not
    count as the benchmark's. `benchmark`: the one of those in the source."""
    files = [file for file in source.files if benchmark is None or file.meta.get("benchmark") == benchmark]
    sample = any(file.meta.get("sample", False) for file in files)
    return {"place": source.place, "revision": source.revision, "sample": sample}


def note(task: str, result: Path, facts: Record) -> None:
    """Record when, where and how fast a result was computed."""
    jax = sys.modules.get("jax")
    here = {
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds_since_start": round(time.monotonic() - _STARTED, 1),
        "host": platform.node(),
        "machine": platform.platform(),
        "python": platform.python_version(),
        "cores": len(os.sched_getaffinity(0)),
        "workers": workers.count(),
        "devices": [device.device_kind for device in jax.devices()] if jax else [],
    }
    write_json(NOTES / result.parent.name / f"{task}.json", here | facts)


@dataclass
class Report:
    """A result in the layout of lm-evaluation-harness, with scores and counts of problems."""

    task: str
    params: StageParams
    version: int
    shots: int
    original: int
    """Items of the benchmark."""
    effective: int
    """Items asked."""
    results: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    higher_is_better: dict[str, bool] = field(default_factory=dict)
    config: Record = field(default_factory=dict)
    facts: Record = field(default_factory=dict)
    """Facts about this machine, such as the sandbox's layers; for the notes, not for the result."""

    def write(self, path: Path, model: Model) -> None:
        """Write the result and the notes."""
        result: Record = {
            "results": self.results,
            "group_subtasks": {self.task: sorted(set(self.results) - {self.task})},
            "configs": {self.task: {**self.params.model_dump(mode="json"), **self.config}},
            "versions": {self.task: self.version},
            "n-shot": {self.task: self.shots},
            "n-samples": {self.task: {"original": self.original, "effective": self.effective}},
            "higher_is_better": {self.task: self.higher_is_better},
            "counts": {self.task: dict(sorted(self.counts.items()))},
            **model.identity(),
        }
        write_json(path, result)
        answers = {"reused": len(model.reused), "asked": len(model.asked)} if isinstance(model, CachedModel) else None
        note(self.task, path, {**self.facts, "answers": answers})
        log.info("%s: %d of %d items asked: %s", self.task, self.effective, self.original, self.results.get(self.task))


def write_skipped(task: str, reason: str, params: StageParams, result: Path, samples: Path) -> None:
    """Write the result of a benchmark that cannot run here: a reason, no score and no samples."""
    write_json(result, {"results": {task: {"skipped": reason}}, "configs": {task: params.model_dump(mode="json")}})
    write_jsonl(samples, [])
    note(task, result, {"skipped": reason})
    log.warning("%s: skipped: %s", task, reason)
