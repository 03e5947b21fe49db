"""InterCode-Bash: commands that answer questions about a file system, or change it (paper, Table 5)."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from lemur import sandbox
from lemur.agents.intercode import parsers
from lemur.agents.intercode.bash import file_systems, roots
from lemur.agents.intercode.bash.machine import BashMachine, Place
from lemur.agents.intercode.stage import Assignment, InterCodeParams, Language, act, open_model, write
from lemur.agents.intercode.texts import read_texts
from lemur.benchmark_items.intercode import Task
from lemur.benchmark_items.intercode import tasks as read_tasks
from lemur.evaluation.harness.asking import choose
from lemur.evaluation.harness.result import write_skipped
from lemur.sources.fetched import Fetched, load

NAME = "intercode_bash"
LANGUAGE = Language("bash", parsers.bash, parsers.bash_strict)


class Params(InterCodeParams):
    root: Literal["host", "debian"] = Field(
        description="the programs: a Debian root with those of the original image (`make agents`), or this machine's"
    )


def intercode_bash(params: Params, model: Path, benchmark: Path, *, result: Path, samples: Path) -> None:
    """Play the chosen tasks of the fetched `benchmark`; write the result and one episode a line. Without tasks, their
    file systems, user namespaces or the root the result is `skipped`."""
    source = load(benchmark)
    tasks = read_tasks(source, NAME)
    if reason := why_skipped(params.root, source, tasks):
        return write_skipped(NAME, reason, params, result, samples)
    player = open_model(params, LANGUAGE, model, NAME)
    place = Place(roots.folder("bash") if params.root == "debian" else None)
    chosen = choose(list(tasks), params.limit, params.seed, lambda name: name)
    systems = build(source, {name.split("/")[1] for name in chosen}, place)

    def assignment(name: str) -> Assignment:
        part = name.split("/")[1]
        return Assignment(
            name,
            part,
            tasks[name],
            None,
            lambda rule: BashMachine(place, systems[part], tasks[name], strict=rule == "strict"),
        )

    finished = act(params, LANGUAGE, player, read_texts(source, "bash"), [assignment(name) for name in chosen])
    write(
        NAME,
        params,
        player,
        finished,
        source=source,
        original=len(tasks),
        config={"root": params.root},
        result=result,
        samples=samples,
    )


def build(source: Fetched, parts: set[str], place: Place) -> dict[str, file_systems.FileSystem]:
    """The file systems of `parts`: fs_1 is the one named 1, samples_yard the one named yard."""
    entries, ignored = file_systems.read(source)
    return {
        part: file_systems.build(part, entries[part.rpartition("_")[2]], ignored, place.root) for part in sorted(parts)
    }


def why_skipped(root: str, source: Fetched, tasks: dict[str, Task]) -> str | None:
    if not tasks:
        return f"the source {source.name} is left out, or has no Bash tasks at place {source.place}"
    if reason := sandbox.why_unavailable():
        return reason
    return roots.why_missing("bash") if root == "debian" else roots.why_no_namespaces()
