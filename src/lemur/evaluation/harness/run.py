"""Run a benchmark: choose items, ask the model, score, write the result."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from lemur.core.records import write_jsonl
from lemur.evaluation.harness.result import Report, write_skipped
from lemur.evaluation.harness.sample import Answer, Item, Sample
from lemur.evaluation.harness.task import Task
from lemur.inference.interface import Model


def run(task: Task[Any, Any], folder: Path, result: Path, samples: Path) -> None:
    """Evaluate the model of `folder`. If the benchmark cannot run, the result is `skipped` with the reason."""
    if (reason := task.why_skipped()) is not None:
        write_skipped(task.name, reason, task.params, result, samples)
    else:
        evaluate(task, task.open(folder), result, samples)


def evaluate(task: Task[Item, Answer], model: Model, result: Path, samples: Path) -> None:
    task.check()
    items = task.choose()
    scored = score(task, task.ask(model, items))
    results = task.results(scored)
    report = Report(
        task=task.name,
        params=task.params,
        version=1,
        shots=task.shots or 0,
        original=sum(map(len, task.pools)),
        effective=len(items),
        results=results,
        counts=task.counts(scored),
        higher_is_better=task.higher_is_better(results),
        config=task.config(model, scored),
        facts=task.facts(),
    )
    write_jsonl(samples, map(task.record, scored))
    report.write(result, model)


def score(task: Task[Item, Answer], samples: Sequence[Sample[Item, Answer]]) -> list[Sample[Item, Answer]]:
    """`samples` with their extracted answers and verdicts. Needs no model and replaces earlier scores."""
    return task.judge([replace(sample, extraction=task.extract(sample)) for sample in samples])
