"""Stages as functions of shards: each shard's outputs are written whole, by any worker, in any order."""

import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from lemur.core.parallel import Pool

Result = TypeVar("Result")


@dataclass(frozen=True)
class Job:
    """The work on one shard. A stage whose function needs to know more derives its own dataclass from it."""

    name: str
    """Unique in the stage."""
    inputs: tuple[Path, ...]
    outputs: Mapping[str, Path]
    """{role: file}. A role is the function's word for an output."""


def map_shards(
    function: Callable[..., Result],
    jobs: Sequence[Job],
    *,
    scratch: Path,
    start: Callable[..., Any] | None = None,
    arguments: tuple[Any, ...] = (),
    pool: Pool | None = None,
) -> Iterator[Result]:
    """Yield `function(job)` for each job, in order; with `start`, `function(state, job)`, as `Pool.map` says.

    The job that `function` gets has temporary files as outputs, in `scratch`, a folder on the file system of the
    outputs but outside their folders. It has to write each of them. Only then does the worker rename them, so neither a
    killed worker nor an error leaves part of a file in an output folder. `function` must depend on the state and the
    job's inputs alone: which process runs it, and when, is not determined. `pool`: processes to use; without, own ones.

    Raises `ValueError` if two jobs share a name or an output, or an output is not written; else as `Pool.map`.
    """
    for what, values in (
        ("name", [job.name for job in jobs]),
        ("output", [str(path) for job in jobs for path in job.outputs.values()]),
    ):
        if repeated := sorted(value for value, count in Counter(values).items() if count > 1):
            raise ValueError(f"two shards have the {what} {repeated[0]}; each needs its own")
    with nullcontext(pool) if pool is not None else Pool() as processes:
        yield from processes.map(partial(_run, function, scratch), jobs, start=start, arguments=arguments)


@contextmanager
def scratch_beside(output: Path) -> Iterator[Path]:
    """An empty folder beside a stage's output, for as long as the context lasts. Its name depends on the output alone,
    so that the next run removes what a killed one left."""
    folder = scratch_of(output)
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def scratch_of(output: Path) -> Path:
    """The folder of `scratch_beside`, by an output's path or its temporary one."""
    name = output.name.removeprefix(".").removesuffix(".partial")
    return output.with_name(f".{name}.scratch.partial")


def _run(function: Callable[..., Result], scratch: Path, *state_and_job: Any) -> Result:
    *state, job = state_and_job
    # A folder of its own for each attempt: two may work on the same shard when a lost worker was not dead.
    with TemporaryDirectory(prefix="shard-", dir=scratch) as folder:
        temporary = {role: Path(folder, role, path.name) for role, path in job.outputs.items()}
        for path in temporary.values():
            path.parent.mkdir()
        result = function(*state, replace(job, outputs=temporary))
        if missing := [role for role, path in temporary.items() if not path.is_file()]:
            raise ValueError(f"shard {job.name}: the stage did not write its output {missing[0]}")
        for role, path in job.outputs.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary[role].rename(path)
    return result
