"""What all benchmarks share: which items, how many shots, how to ask, standard errors and the result's layout.

A benchmark is one file with a stage: items, prompt, how to ask, how to extract, how to score (docs/evaluation.md).
"""

import hashlib
import logging
import math
import os
import platform
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import Field

from lemur.core import workers
from lemur.core.files import ROOT
from lemur.core.params import StageParams
from lemur.core.records import Record, write_json, write_jsonl
from lemur.inference import backends
from lemur.inference.interface import Generation, Model, Prompt
from lemur.inference.remembered import Remembered
from lemur.sources.fetched import BadRecord, Fetched

log = logging.getLogger(__name__)
NOTES = ROOT / "logs" / "evaluation"
"""Where what differs from run to run is written: <model>/<task>.json. No stage reads it."""
_STARTED = time.monotonic()
Item = TypeVar("Item")


class AskParams(StageParams):
    """Parameters of every benchmark."""

    limit: int | None = Field(description="items taken, a seeded choice; null for all of them", gt=0)
    seed: int = Field(description="seed of the choice of items and of sampling", ge=0)
    bos: bool = Field(description="whether a prompt begins with the beginning-of-text token")
    chat: Literal["auto", "chat", "completion"] = Field(
        description="in the model's chat template, with a plain prompt, or `auto`: by whether it has a template"
    )
    context: int | None = Field(
        description="most tokens of prompt and answer together; null for as many as the model allows", gt=1
    )
    tile: int = Field(description="sequences computed together; part of the numerics profile, not only of speed", gt=0)
    backend: backends.Backend = Field(description="what computes the answers (docs/evaluation.md)")


class GenerateParams(AskParams):
    """Parameters of every benchmark whose answers are generated."""

    max_new_tokens: int = Field(description="most tokens of an answer", gt=0)
    stop: list[str] | None = Field(description="strings that end an answer; null for the benchmark's own")

    def stops(self, own: Sequence[str]) -> list[str]:
        """What ends an answer, where `own` are the benchmark's strings."""
        return list(own) if self.stop is None else self.stop


def open_model(folder: Path, params: AskParams) -> Model:
    """The model of a folder behind the back end that the parameters name."""
    settings = {"task": type(params).__module__, **params.model_dump(mode="json")}
    return backends.open_model(
        folder,
        params.backend,
        task=type(params).__module__.rpartition(".")[2],
        tile=params.tile,
        bos=params.bos,
        context=params.context,
        settings=settings,
    )


def asks_in_chat(model: Model, chat: str) -> bool:
    return model.chat if chat == "auto" else chat == "chat"


def choose(items: Sequence[Item], limit: int | None, seed: int, key: Callable[[Item], str]) -> list[Item]:
    """At most `limit` items in their order, chosen by a hash of seed and `key`: each item's place in the draw does not
    depend on what else there is."""
    if limit is None or limit >= len(items):
        return list(items)

    def draw(index: int) -> tuple[str, int]:
        return hashlib.sha256(f"{seed}\n{key(items[index])}".encode()).hexdigest(), index

    return [items[index] for index in sorted(sorted(range(len(items)), key=draw)[:limit])]


def fit_shots(build: Callable[[int], Prompt], shots: int, model: Model, room: int) -> tuple[Prompt, int]:
    """`build(k)` with the most shots k <= `shots` whose prompt has at most `room` tokens, and k. Shots are dropped as
    in the paper's MMLU script; with none left the prompt may still be longer."""
    for count in range(shots, 0, -1):
        prompt = build(count)
        if model.count_tokens(prompt) <= room:
            return prompt, count
    return build(0), 0


def origin(source: Fetched) -> Record:
    """Where the items came from. `sample`: they were written for this project, so scores on them are no benchmark's."""
    sample = any(file.meta.get("sample", False) for file in source.files)
    return {"place": source.place, "revision": source.revision, "sample": sample}


def readable(records: Iterable[Item | BadRecord]) -> list[Item]:
    """Items of a benchmark. A score over fewer items than the benchmark has would not be its score, so the first bad
    record raises `ValueError`."""
    items: list[Item] = []
    for record in records:
        if isinstance(record, BadRecord):
            raise ValueError(
                f"{record.where}: {record.reason}: {record.detail}; fetch the file again, or mend the source"
            )
        items.append(record)
    return items


def generate_fitting(
    model: Model,
    prompts: Sequence[str],
    *,
    max_new_tokens: int,
    stop: Sequence[str],
    temperature: float = 0.0,
    seed: int = 0,
) -> list[Generation | None]:
    """Generations in the order of `prompts`; `None` for one that leaves no room for an answer."""
    fitting = [index for index, prompt in enumerate(prompts) if model.count_tokens(prompt) < model.context_length]
    answers: list[Generation | None] = [None] * len(prompts)
    asked = [prompts[index] for index in fitting]
    generations = model.generate(asked, max_new_tokens=max_new_tokens, stop=stop, temperature=temperature, seed=seed)
    for index, generation in zip(fitting, generations, strict=True):
        answers[index] = generation
    return answers


def answered(report: "Report", answer: Generation | None) -> Record:
    """`output` and `finish` of a sample; what went wrong is counted."""
    report.counts["prompt_too_long"] += answer is None
    report.counts["truncated"] += answer is not None and answer.finish == "length"
    return {"output": answer.text if answer else "", "finish": answer.finish if answer else "prompt_too_long"}


def note(task: str, result: Path, facts: Record) -> None:
    """Write down when, where and how long a result was made; it may not stand in the result, which repeats exactly."""
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


def mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def standard_error(values: Sequence[float]) -> float | None:
    """Standard error of the mean by the sample's variance, as in lm-evaluation-harness; `None` below two values."""
    if len(values) < 2:
        return None
    middle = mean(values)
    return math.sqrt(math.fsum((value - middle) ** 2 for value in values) / (len(values) - 1) / len(values))


def macro(metric: str, name: str, tasks: Sequence[Record]) -> Record:
    """The mean over tasks of a metric that `scored` gave for each, and its standard error."""
    errors = [task[f"{metric}_stderr,{name}"] for task in tasks]
    error = None if None in errors else math.sqrt(math.fsum(error**2 for error in errors)) / len(errors)
    return {f"{metric},{name}": mean([task[f"{metric},{name}"] for task in tasks]), f"{metric}_stderr,{name}": error}


def scored(metric: str, name: str, values: Sequence[float]) -> Record:
    """A metric and its standard error in lm-evaluation-harness's spelling, `metric,filter`."""
    return {f"{metric},{name}": mean(values), f"{metric}_stderr,{name}": standard_error(values)}


@dataclass
class Report:
    """A result in the layout of lm-evaluation-harness, with counts of what went wrong beside the scores."""

    task: str
    params: StageParams
    version: int
    shots: int
    original: int
    """Items of the benchmark."""
    effective: int
    """Items asked."""
    results: dict[str, Record] = field(default_factory=dict)
    subtasks: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    higher_is_better: dict[str, bool] = field(default_factory=dict)
    config: Record = field(default_factory=dict)
    facts: Record = field(default_factory=dict)
    """What held or ran here, such as the sandbox's layers; for the notes, not for the result."""

    def write(self, path: Path, model: Model) -> None:
        """Write the result, and the notes beside it; `model` forgets the answers that it kept for an interrupted run.
        Call it last: it marks the evaluation as complete."""
        result: dict[str, Any] = {
            "results": self.results,
            "group_subtasks": {self.task: sorted(self.subtasks)},
            "configs": {self.task: {**self.params.model_dump(mode="json"), **self.config}},
            "versions": {self.task: self.version},
            "n-shot": {self.task: self.shots},
            "n-samples": {self.task: {"original": self.original, "effective": self.effective}},
            "higher_is_better": {self.task: self.higher_is_better},
            "counts": {self.task: dict(sorted(self.counts.items()))},
            **model.identity(),
        }
        write_json(path, result)
        note(self.task, path, {**self.facts, "resumed_answers": getattr(model, "resumed", 0)})
        if isinstance(model, Remembered):
            model.forget()
        log.info("%s: %d of %d items asked: %s", self.task, self.effective, self.original, self.results.get(self.task))


def write_skipped(task: str, reason: str, params: StageParams, result: Path, samples: Path) -> None:
    """A benchmark that cannot run here: no score, its reason, and no samples."""
    write_json(result, {"results": {task: {"skipped": reason}}, "configs": {task: params.model_dump(mode="json")}})
    write_jsonl(samples, [])
    note(task, result, {"skipped": reason})
    log.warning("%s: skipped: %s", task, reason)
