"""InterCode-CTF: flags hidden in files, found with commands (paper, Table 5)."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from pydantic import Field

from lemur.agents.intercode import parsers
from lemur.agents.intercode.bash import capture, roots
from lemur.agents.intercode.stage import Assign, Assignment, InterCodeParams, Language, run
from lemur.benchmark_items.intercode import Task
from lemur.benchmark_items.intercode import tasks as read_tasks
from lemur.core.records import Record
from lemur.evaluation.harness.result import write_skipped
from lemur.sources.fetched import Fetched, load

NAME = "intercode_ctf"
LANGUAGE = Language("ctf", parsers.ctf, parsers.ctf, prefill="Action:", strict=False)
NOT_RUNNABLE = "not_runnable"
"""Group of the tasks that cannot be solved here; they are played all the same, as in the paper's 100."""


class Params(InterCodeParams):
    root: Literal["none", "host", "debian"] = Field(description=roots.DESCRIPTION)


def intercode_ctf(params: Params, model: Path, benchmark: Path, *, result: Path, samples: Path) -> None:
    """Play the chosen tasks of the fetched `benchmark`; write the result, with scores over all tasks and over those
    that can be solved here, and one episode a line. Without tasks, user namespaces or the root it is `skipped`."""
    source = load(benchmark)
    tasks = read_tasks(source, NAME)
    if reason := why_skipped(params, source, tasks):
        return write_skipped(NAME, reason, params, result, samples)
    with opened(params, source, tasks) as (assign, config):
        run(NAME, params, LANGUAGE, model, source, tasks, assign, config, result=result, samples=samples)


@contextmanager
def opened(params: Params, source: Fetched, tasks: dict[str, Task]) -> Iterator[tuple[Assign, Record]]:
    """What prepares a task's machine, and what the result says of it and of the tasks that it cannot run."""
    root = roots.folder(NAME) if params.root == "debian" else None
    files = capture.assets(source)
    reasons = why_not(source, tasks)

    def assign(name: str, task: Task) -> Assignment:
        group = NOT_RUNNABLE if reasons[name] else "runnable"
        return Assignment(
            name, group, task, None, lambda rule: capture.CaptureMachine(root, task, files.get(task.number or 0, {}))
        )

    yield (
        assign,
        {
            "root": params.root,
            "runnable": f"{sum(reason is None for reason in reasons.values())} of {len(tasks)}",
            "not_runnable": {name: reason for name, reason in reasons.items() if reason},
        },
    )


def why_not(source: Fetched, tasks: dict[str, Task]) -> dict[str, str | None]:
    """By task why it cannot be solved here, or `None`."""
    files = capture.assets(source)
    sample = any(file.meta.get("sample") for file in source.files if file.meta.get("benchmark") == NAME)
    return {
        name: capture.why_not_runnable(task, files.get(task.number or 0, {}), sample=sample)
        for name, task in tasks.items()
    }


def why_skipped(params: Params, source: Fetched, tasks: dict[str, Task]) -> str | None:
    if not tasks:
        return f"the source {source.name} is left out, or has no CTF tasks at place {source.place}"
    return roots.why_missing(NAME, params.root)
