"""Run a benchmark: choose items, ask the model, score, write the result."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from lemur.core.records import write_jsonl
from lemur.evaluation.harness.result import Report, write_skipped
from lemur.evaluation.harness.sample import Answer, Item, Sample
from lemur.evaluation.harness.task import Task
from lemur.inference.answer_cache import CachedModel, Outlook
from lemur.inference.interface import Model

log = logging.getLogger(__name__)


def run(task: Task[Any, Any], folder: Path, result: Path, samples: Path) -> None:
    """Evaluate the model of `folder`. If the benchmark cannot run, the result is `skipped` with the reason."""
    if (reason := task.why_skipped()) is not None:
        write_skipped(task.name, reason, task.params, result, samples)
    else:
        evaluate(task, task.open(folder), result, samples)


def evaluate(task: Task[Item, Answer], model: Model, result: Path, samples: Path) -> None:
    task.check()
    items = task.choose()
    scored = score(task, answered(task, model, items, result.parent.name))
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


def answered(task: Task[Item, Answer], model: Model, items: Sequence[Item], name: str) -> list[Sample[Item, Answer]]:
    """Samples with their answers. Says, before the model called `name` is asked, what is on record."""
    if not isinstance(model, CachedModel):
        return task.ask(model, items)
    rehearsal = model.rehearse()
    samples = task.ask(rehearsal, items)
    outlook = rehearsal.outlook()
    log.info("%s of %s: %s: %s", task.name, name, outlook.verdict, outlook.explanation)
    return task.ask(model, items) if rehearsal.missing else samples


def rehearse(task: Task[Any, Any], folder: Path) -> Outlook:
    """What an evaluation of the model of `folder` would do. Loads no weights and asks nothing."""
    if (reason := task.why_skipped()) is not None:
        return Outlook("skipped", reason)
    model = task.open(folder)
    if not isinstance(model, CachedModel):
        return Outlook("replay", "recorded samples are scored again")
    task.check()
    rehearsal = model.rehearse()
    task.ask(rehearsal, task.choose())
    return rehearsal.outlook()


def score(task: Task[Item, Answer], samples: Sequence[Sample[Item, Answer]]) -> list[Sample[Item, Answer]]:
    """`samples` with their extracted answers and verdicts. Needs no model and replaces earlier scores."""
    return task.judge([replace(sample, extraction=task.extract(sample)) for sample in samples])
