"""Two scores that need no model: that of the reference answers, and that of the best constant answer."""

from collections.abc import Mapping
from typing import Any

from lemur.core.records import Record
from lemur.evaluation.harness.run import score
from lemur.evaluation.harness.sample import Sample
from lemur.evaluation.harness.scores import metrics
from lemur.evaluation.harness.task import Task


def best_constants(scores: Mapping[str, Mapping[str, Any]]) -> Record:
    """`{"metric,rule": {"answer": text, "score": value}}`: the best of the candidates for each metric, the first of
    equal ones. `scores`: candidate to its values of `metric,rule`; a candidate without a value does not count."""
    best: Record = {}
    for text, values in scores.items():
        for metric, value in numbers(values).items():
            if metric not in best or value > best[metric]["score"]:
                best[metric] = {"answer": text, "score": value}
    return best


def numbers(values: Mapping[str, Any]) -> dict[str, float]:
    """The metrics that have a value, without standard errors."""
    names = set(metrics(values))
    return {key: value for key, value in values.items() if key.partition(",")[0] in names and value is not None}


def baseline(task: Task[Any, Any]) -> Record:
    """Reference and best constant answer on exactly the items that a model is asked.

    `{"asked": n, "references": m, "metrics": {"metric,rule": {"reference": score or None, "constant": score, "answer":
    text}}}`. A reference's score is over the `m` items that have one. `{"skipped": reason}` if nothing can run here.
    """
    if (reason := task.why_skipped()) is not None:
        return {"skipped": reason}
    task.check()
    items = task.choose()
    references = {index: text for index, item in enumerate(items) if (text := task.reference(item)) is not None}
    texts = ["", *(text for text in task.constants(items) if text)]
    asked = [Sample(items[index], "", None, task.answer(items[index], text)) for index, text in references.items()]
    asked += [Sample(item, "", None, task.answer(item, text)) for text in texts for item in items]
    scored = score(task, asked)  # together: programs run on all cores
    by_text = {
        text: task.results(scored[start : start + len(items)])[task.name]
        for text, start in zip(texts, range(len(references), len(scored), len(items)), strict=True)
    }
    reached = numbers(task.results(scored[: len(references)])[task.name]) if references else {}
    best = best_constants(by_text)
    return {
        "asked": len(items),
        "references": len(references),
        "metrics": {
            metric: {"reference": reached.get(metric), "constant": found["score"], "answer": found["answer"].strip()}
            for metric, found in best.items()
        },
    }
