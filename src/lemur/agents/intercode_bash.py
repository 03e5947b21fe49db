"""InterCode-Bash: commands that answer questions about a file system, or change it (paper, Table 5)."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from pydantic import Field

from lemur.agents.intercode import parsers
from lemur.agents.intercode.bash import file_systems, roots
from lemur.agents.intercode.bash.machine import BashMachine, Place
from lemur.agents.intercode.stage import Assign, Assignment, InterCodeParams, Language, run
from lemur.benchmark_items.intercode import Task
from lemur.benchmark_items.intercode import tasks as read_tasks
from lemur.core.records import Record
from lemur.evaluation.harness.result import write_skipped
from lemur.sources.fetched import Fetched, load

NAME = "intercode_bash"
LANGUAGE = Language("bash", parsers.bash, parsers.bash_strict)


class Params(InterCodeParams):
    root: Literal["none", "host", "debian"] = Field(description=roots.DESCRIPTION)


def intercode_bash(params: Params, model: Path, benchmark: Path, *, result: Path, samples: Path) -> None:
    """Play the chosen tasks of the fetched `benchmark`; write the result and one episode a line. Without tasks, their
    file systems, user namespaces or the root the result is `skipped`."""
    source = load(benchmark)
    tasks = read_tasks(source, NAME)
    if reason := why_skipped(params, source, tasks):
        return write_skipped(NAME, reason, params, result, samples)
    with opened(params, source, tasks) as (assign, config):
        run(NAME, params, LANGUAGE, model, source, tasks, assign, config, result=result, samples=samples)


@contextmanager
def opened(params: Params, source: Fetched, tasks: dict[str, Task]) -> Iterator[tuple[Assign, Record]]:
    """What prepares a task's machine, and what the result says of it."""
    place = Place(roots.folder(NAME) if params.root == "debian" else None)
    systems = build(source, {name.split("/")[1] for name in tasks}, place)

    def assign(name: str, task: Task) -> Assignment:
        part = name.split("/")[1]
        return Assignment(
            name, part, task, None, lambda rule: BashMachine(place, systems[part], task, strict=rule == "strict")
        )

    yield assign, {"root": params.root}


def build(source: Fetched, parts: set[str], place: Place) -> dict[str, file_systems.FileSystem]:
    """The file systems of `parts`: fs_1 is the one named 1, samples_yard the one named yard."""
    entries, ignored = file_systems.read(source)
    return {
        part: file_systems.build(part, entries[part.rpartition("_")[2]], ignored, place.root) for part in sorted(parts)
    }


def why_skipped(params: Params, source: Fetched, tasks: dict[str, Task]) -> str | None:
    if not tasks:
        return f"the source {source.name} is left out, or has no Bash tasks at place {source.place}"
    return roots.why_missing(NAME, params.root)
