"""Success rates of recorded trajectories: by task and group, by number of turns, with and without feedback."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby

from lemur.agents.published.folders import FORM, Setting
from lemur.agents.published.rescore import Scored, changes, disagreements
from lemur.agents.scoring.verdict import RULES
from lemur.benchmark_items.mint import COUNTS, GROUPS
from lemur.core.records import Record

TURNS = (1, 2, 3, 4, 5)
SUMS = {**GROUPS, "micro": (*GROUPS["reasoning"], *GROUPS["code"]), "all": tuple(COUNTS)}
"""Groups of tasks, averaged over items: reasoning (316), code (136), decision (134), micro (452), all (586)."""
Runs = Mapping[Setting, Sequence[Scored]]


def cells(scored: Sequence[Scored]) -> dict[str, Record]:
    """{task or group: {items, recorded, paper, strict, changed, unknown, faults}} of one setting, in episodes.

    `recorded`: successes in the file; `paper`, `strict`: solved by the rule, `None` where programs were not run or
    games not replayed; `changed`: on which the rules differ; `unknown`: on which one gives no verdict; `faults` of the
    environment are not among the `items`. A group is there if all its tasks are."""
    by_task: dict[str, list[Scored]] = {}
    for one in scored:
        by_task.setdefault(one.recorded.task, []).append(one)
    table = {task: _cell(by_task[task]) for task in COUNTS if task in by_task}
    for name, tasks in SUMS.items():
        if all(task in table for task in tasks):
            table[name] = _cell([one for task in tasks for one in by_task[task]])
    return table


def _cell(scored: Sequence[Scored]) -> Record:
    everything = len(scored)
    scored = [one for one in scored if one.recorded.published or one.recorded.episode.ended != "fault"]
    cell: Record = {
        "items": len(scored),
        "recorded": sum(one.was for one in scored),
        "faults": everything - len(scored),
    }
    for rule in RULES:
        verdicts = [one.solved[rule] for one in scored]
        cell[rule] = None if None in verdicts else sum(map(bool, verdicts))
    known = [one for one in scored if None not in one.solved.values()]
    cell["changed"] = sum(one.solved["paper"] != one.solved["strict"] for one in known)
    cell["unknown"] = len(scored) - len(known)
    return cell


def rate(cell: Record, rule: str) -> float | None:
    """Solved episodes in percent of all. `rule`: paper, strict or recorded."""
    return None if cell[rule] is None or not cell["items"] else 100 * float(cell[rule]) / float(cell["items"])


def improvement(rates: Sequence[float]) -> float:
    """Slope, in points a turn, of the least-squares line through the success rates at 1, 2, ... turns, as in MINT."""
    middle = (len(rates) + 1) / 2
    offsets = [place - middle for place in range(1, len(rates) + 1)]
    return sum(offset * value for offset, value in zip(offsets, rates, strict=True)) / sum(x * x for x in offsets)


def by_turns(model: str, tables: Mapping[Setting, Mapping[str, Record]]) -> dict[str, Record]:
    """{group: {rule: {turns: [rate at 1 turn, ...], improvement: slope}}} of a model's runs without feedback."""
    runs = {at.turns: table for at, table in tables.items() if at.model == model and at.feedback == "none"}
    if any(turns not in runs for turns in TURNS):
        return {}
    found: dict[str, Record] = {}
    for name in SUMS:
        for rule in ("recorded", *RULES):
            rates = [rate(runs[turns][name], rule) if name in runs[turns] else None for turns in TURNS]
            known = [value for value in rates if value is not None]
            if len(known) == len(TURNS):
                found.setdefault(name, {})[rule] = {"turns": known, "improvement": improvement(known)}
    return found


def delta(model: str, tables: Mapping[Setting, Mapping[str, Record]]) -> dict[str, Record]:
    """{task or group: {rule: {without, with, delta}}}: rates at 5 turns and 2 proposals, feedback in words."""
    at_five = {at: table for at, table in tables.items() if at.model == model and (at.turns, at.proposals) == (5, 2)}
    without = next((table for at, table in at_five.items() if at.feedback == "none"), {})
    taught = next((table for at, table in at_five.items() if at.feedback != "none" and at.form in ("", FORM)), {})
    found: dict[str, Record] = {}
    for name in without:
        for rule in ("recorded", *RULES):
            if name in taught:
                before, after = rate(without[name], rule), rate(taught[name], rule)
                if before is not None and after is not None:
                    found.setdefault(name, {})[rule] = {"without": before, "with": after, "delta": after - before}
    return found


def summary(runs: Runs) -> Record:
    """Everything about recorded runs: {models: {model: {runs, by_turns, delta}}}, ready for JSON.

    A run has its setting, its `cells`, `reasons` ({task: {why: changed verdicts}}), `changes` and `disagreements` with
    the record, and why programs were `skipped`."""
    tables = {setting: cells(scored) for setting, scored in runs.items()}
    models: Record = {}
    for model, settings in groupby(sorted(runs), key=lambda setting: setting.model):
        models[model] = {
            "runs": [run_record(setting, runs[setting], tables[setting]) for setting in settings],
            "by_turns": by_turns(model, tables),
            "delta": delta(model, tables),
        }
    return {"models": models}


def run_record(setting: Setting, scored: Sequence[Scored], table: Mapping[str, Record]) -> Record:
    changed = changes(scored)
    skipped = {one.skipped for one in scored if one.skipped}
    return {
        "feedback": setting.feedback,
        "form": setting.form,
        "turns": setting.turns,
        "proposals": setting.proposals,
        "cells": dict(table),
        "reasons": reasons_by_task(changed),
        "changes": changed,
        "disagreements": disagreements(scored),
        "skipped": min(skipped) if skipped else None,
    }


def reasons_by_task(changed: Iterable[Record]) -> dict[str, dict[str, int]]:
    """{task: {why: number}} of `changes`."""
    counts: dict[str, Counter[str]] = {}
    for change in changed:
        counts.setdefault(change["id"].partition("/")[0], Counter())[change["why"]] += 1
    return {task: dict(sorted(counter.items())) for task, counter in sorted(counts.items())}
