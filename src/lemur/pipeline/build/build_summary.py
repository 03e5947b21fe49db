"""The last lines of a build under Snakemake: what ran, what failed, and whether the bytes are those committed."""

import hashlib
import json
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from lemur.core import processor
from lemur.core.disk import replace_text
from lemur.pipeline.artifacts import lockfile
from lemur.pipeline.artifacts.values import listed
from lemur.pipeline.artifacts.verdict import equal, verdict
from lemur.pipeline.build.dag import Stage

# Two dvc.lock files take 0.4 s to parse; the next build with nothing to do mostly meets the same two.
LAST_VERDICT = Path(".lemur/verdict.json")
EXPLAINED = "More: `lemur verify --built .` looks inside the first that differs, `git diff HEAD dvc.lock` has all."


def summary(workflow: Any, stages: dict[str, Stage], lost: Collection[str], before: str, root: Path) -> list[str]:
    """How a build ended.

    Args:
        workflow: Snakemake's, when it has no more to do.
        stages: those of dvc.yaml, by their rules' names.
        lost: names of those of which an output was missing or altered before the build.
        before: dvc.lock's text before the build.
        root: the checkout.
    """
    dag, scheduler = workflow.dag, workflow.scheduler
    asked = [stages[rule] for rule in _jobs(dag.jobs, stages)]
    planned = _jobs(dag.needrun_jobs(exclude_finished=False), stages)
    if not planned:
        up_to_date = f"all {len(stages)} stages are up to date"
        if len(asked) < len(stages):
            up_to_date = f"what was asked for is up to date ({len(asked)} of {len(stages)} stages)"
        return [f"Nothing to do: {up_to_date}.", *compared(asked, root)]
    failed = _jobs(scheduler.failed, stages)
    stopped = _jobs(scheduler.running, stages)
    waiting = [rule for rule in _jobs(scheduler.remaining_jobs, stages) if rule not in {**failed, **stopped}]
    done = {rule: job for rule, job in planned.items() if rule not in {*failed, *stopped, *waiting}}
    skipped = {stages[rule].name for rule, job in done.items() if _was_skipped(stages[rule], job)}
    spared = skipped - set(lost) - (_reentered(skipped, before, _text(root)) if skipped else set())
    counts = {
        "ran": len(done) - len(skipped),
        "from the cache": len(skipped - spared),
        "unchanged": len(asked) - len(planned) + len(spared),
        "failed": len(failed),
        "stopped": len(stopped),
        "not started": len(waiting),
    }
    said = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
    lines = [f"{len(asked)} stage{'s' * (len(asked) != 1)}: {said}."]
    if len(done) == len(planned):
        return [*lines, *compared(asked, root)]
    for what, jobs in (("Failed", failed), ("Stopped", stopped)):
        if jobs:
            lines.append(f"{what}: {listed(f'{stages[rule].name} ({_log(job)})' for rule, job in jobs.items())}")
    if waiting:
        lines.append(f"Not started: {listed(stages[rule].name for rule in waiting)}")
    return [*lines, "What has ended is kept: the same command goes on from here."]


def compared(stages: Iterable[Stage], root: Path) -> list[str]:
    """How the stages' artifacts compare with the dvc.lock of Git's HEAD."""
    outputs = {stage.name: len(stage.outputs) for stage in stages}
    try:
        committed = lockfile.text("HEAD", root)
    except (SystemExit, FileNotFoundError):
        return ["Git has no committed dvc.lock to compare the artifacts with."]
    built = _text(root)
    if built == committed:
        return [equal(sum(outputs.values()))]
    known = root / LAST_VERDICT
    of = json.dumps([committed, built, sorted(outputs), processor.name()])
    key = hashlib.md5(of.encode(), usedforsecurity=False).hexdigest()
    last = json.loads(known.read_text(encoding="utf-8")) if known.exists() else {}
    if key not in last:
        last = {key: _verdict(lockfile.parse(committed), lockfile.parse(built), outputs)}
        replace_text(known, json.dumps(last))
    return list(last[key])


def _verdict(committed: lockfile.Lock, built: lockfile.Lock, names: Collection[str]) -> list[str]:
    committed, built = ({name: lock[name] for name in names if name in lock} for lock in (committed, built))
    lines = verdict(committed, built, lockfile.parents(committed | built))
    return [*lines, EXPLAINED] if len(lines) > 1 else lines


def _jobs(jobs: Iterable[Any], stages: dict[str, Stage]) -> dict[str, Any]:
    """Snakemake's jobs by rule, in the order of dvc.yaml."""
    single = [each for job in jobs for each in (job if job.is_group() else [job])]
    by_rule = {job.rule.name: job for job in single}
    return {rule: by_rule[rule] for rule in stages if rule in by_rule}


def _log(job: Any) -> str:
    return str(job.log[0])


def _was_skipped(stage: Stage, job: Any) -> bool:
    """Whether `dvc repro` took a stage's outputs from its cache, or found nothing to do; it says so in the log."""
    try:
        said = Path(_log(job)).read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return False
    return any(f"Stage '{stage.name}' {how}" in said for how in ("is cached - skipping run", "didn't change, skipping"))


def _reentered(names: Iterable[str], before: str, after: str) -> set[str]:
    """Stages whose entry in dvc.lock a build has changed."""
    old, new = (lockfile.parse(text) if text else {} for text in (before, after))
    return {name for name in names if old.get(name) != new.get(name)}


def _text(root: Path) -> str:
    lock = root / "dvc.lock"
    return lock.read_text(encoding="utf-8") if lock.exists() else ""
