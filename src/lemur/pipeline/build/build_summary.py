"""The last lines of a Snakemake build: what ran, what failed, and whether the bytes match the committed ones."""

import hashlib
import json
import re
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from lemur.core import processor
from lemur.core.disk import replace_text
from lemur.pipeline.artifacts import lockfile
from lemur.pipeline.artifacts.values import join_names
from lemur.pipeline.artifacts.verdict import equal, verdict
from lemur.pipeline.build.dag import Stage

# Parsing two dvc.lock files takes 0.4 s; the next build with nothing to do usually compares the same two.
LAST_VERDICT = Path(".lemur/verdict.json")
# What `run_stage` logs of a stage that did not compute all of its shards.
TAKEN = re.compile(r"^\w+: (\d+ of \d+) shards taken from the cache$", re.MULTILINE)
DETAILS = "More: `lemur verify --built .` looks inside the first that differs, `git diff HEAD dvc.lock` lists all."


def summary(workflow: Any, stages: dict[str, Stage], lost: Collection[str], before: str, root: Path) -> list[str]:
    """Lines that say how a build ended.

    Args:
        workflow: Snakemake's workflow at the end of the build.
        stages: the stages of dvc.yaml, by rule name.
        lost: names of the stages with an output that was missing or altered before the build.
        before: the text of dvc.lock before the build.
        root: the checkout.
    """
    dag, scheduler = workflow.dag, workflow.scheduler
    requested = [stages[rule] for rule in _jobs(dag.jobs, stages)]
    planned = _jobs(dag.needrun_jobs(exclude_finished=False), stages)
    if not planned:
        up_to_date = f"all {len(stages)} stages are up to date"
        if len(requested) < len(stages):
            up_to_date = f"the requested targets are up to date ({len(requested)} of {len(stages)} stages)"
        return [f"Nothing to do: {up_to_date}.", *comparison(requested, root)]
    failed = _jobs(scheduler.failed, stages)
    stopped = _jobs(scheduler.running, stages)
    waiting = [rule for rule in _jobs(scheduler.remaining_jobs, stages) if rule not in {**failed, **stopped}]
    done = {rule: job for rule, job in planned.items() if rule not in {*failed, *stopped, *waiting}}
    skipped = {stages[rule].name for rule, job in done.items() if _was_skipped(stages[rule], job)}
    unchanged = skipped - set(lost) - (_changed_entries(skipped, before, _text(root)) if skipped else set())
    counts = {
        "ran": len(done) - len(skipped),
        "from the cache": len(skipped - unchanged),
        "unchanged": len(requested) - len(planned) + len(unchanged),
        "failed": len(failed),
        "stopped": len(stopped),
        "not started": len(waiting),
    }
    outcomes = ", ".join(f"{count} {outcome}" for outcome, count in counts.items() if count)
    lines = [f"{len(requested)} stage{'s' * (len(requested) != 1)}: {outcomes}."]
    if taken := [line for rule, job in done.items() if (line := _taken(stages[rule], job))]:
        lines.append(f"Shards from the cache: {', '.join(taken)}.")
    if len(done) == len(planned):
        return [*lines, *comparison(requested, root)]
    for outcome, jobs in (("Failed", failed), ("Stopped", stopped)):
        if jobs:
            lines.append(f"{outcome}: {join_names(f'{stages[rule].name} ({_log(job)})' for rule, job in jobs.items())}")
    if waiting:
        lines.append(f"Not started: {join_names(stages[rule].name for rule in waiting)}")
    return [*lines, "Finished stages are kept: run the same command to continue."]


def comparison(stages: Iterable[Stage], root: Path) -> list[str]:
    """How the stages' artifacts compare with the dvc.lock of Git's HEAD."""
    outputs = {stage.name: len(stage.outputs) for stage in stages}
    try:
        committed = lockfile.text("HEAD", root)
    except (SystemExit, FileNotFoundError):
        return ["Git has no committed dvc.lock to compare the artifacts with."]
    built = _text(root)
    if built == committed:
        return [equal(sum(outputs.values()))]
    last_verdict = root / LAST_VERDICT
    compared = json.dumps([committed, built, sorted(outputs), processor.name()])
    key = hashlib.md5(compared.encode(), usedforsecurity=False).hexdigest()
    verdicts = json.loads(last_verdict.read_text(encoding="utf-8")) if last_verdict.exists() else {}
    if key not in verdicts:
        verdicts = {key: _verdict(lockfile.parse(committed), lockfile.parse(built), outputs)}
        replace_text(last_verdict, json.dumps(verdicts))
    return list(verdicts[key])


def _verdict(committed: lockfile.Lock, built: lockfile.Lock, names: Collection[str]) -> list[str]:
    committed, built = ({name: lock[name] for name in names if name in lock} for lock in (committed, built))
    lines = verdict(committed, built, lockfile.parents(committed | built))
    return [*lines, DETAILS] if len(lines) > 1 else lines


def _jobs(jobs: Iterable[Any], stages: dict[str, Stage]) -> dict[str, Any]:
    """Snakemake's jobs by rule, in the order of dvc.yaml."""
    single_jobs = [member for job in jobs for member in (job if job.is_group() else [job])]
    by_rule = {job.rule.name: job for job in single_jobs}
    return {rule: by_rule[rule] for rule in stages if rule in by_rule}


def _log(job: Any) -> str:
    return str(job.log[0])


def _log_text(job: Any) -> str:
    try:
        return Path(_log(job)).read_text(errors="replace", encoding="utf-8")
    except FileNotFoundError:
        return ""


def _was_skipped(stage: Stage, job: Any) -> bool:
    """Whether the log says that `dvc repro` took a stage's outputs from its cache or had nothing to do."""
    messages = ("is cached - skipping run", "didn't change, skipping")
    log = _log_text(job)
    return any(f"Stage '{stage.name}' {message}" in log for message in messages)


def _taken(stage: Stage, job: Any) -> str:
    """`STAGE 99 of 100` by what the log says, or ""."""
    found = TAKEN.search(_log_text(job))
    return f"{stage.name} {found[1]}" if found else ""


def _changed_entries(names: Iterable[str], before: str, after: str) -> set[str]:
    """Stages whose dvc.lock entry was changed by the build."""
    old, new = (lockfile.parse(text) if text else {} for text in (before, after))
    return {name for name in names if old.get(name) != new.get(name)}


def _text(root: Path) -> str:
    lock = root / "dvc.lock"
    return lock.read_text(encoding="utf-8") if lock.exists() else ""
