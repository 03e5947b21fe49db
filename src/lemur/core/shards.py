"""Stages as functions of shards: each shard's outputs are written whole, by any worker, in any order."""

import logging
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from lemur.core import shard_ledger
from lemur.core.disk import file_md5
from lemur.core.parallel import Pool
from lemur.core.records import Record
from lemur.core.shard_ledger import Cache, Function, Ledger

log = logging.getLogger(__name__)

Result = TypeVar("Result")


@dataclass(frozen=True)
class Job:
    """The work on one shard. A stage whose function needs to know more derives its own dataclass from it, of plain
    values: numbers, texts, paths, and sequences, sets, mappings and dataclasses of them.

    A shard's inputs by content, and its other fields, decide its outputs; its name and the paths do not."""

    name: str
    """Unique in the stage."""
    inputs: tuple[Path, ...]
    """Every file that the function reads; those that are only listed, and not on disk, too."""
    outputs: Mapping[str, Path]
    """{role: file}. A role is the function's word for an output."""


def map_shards(
    function: Callable[..., Result],
    jobs: Sequence[Job],
    *,
    scratch: Path,
    start: Callable[..., Any] | None = None,
    arguments: tuple[Any, ...] = (),
    shared: Any = None,
    pool: Pool | None = None,
) -> Iterator[Result]:
    """Yield `function(job)` for each job, in order; with `start`, `function(state, job)`, as `Pool.map` says.

    The job that `function` gets has temporary files as outputs, in `scratch`, a folder on the file system of the
    outputs but outside their folders. It has to write each of them. Only then does the worker rename them, so neither a
    killed worker nor an error leaves part of a file in an output folder. `function` must depend on the state and the
    job's inputs and fields alone: which process runs it, and when, is not determined. `pool`: processes to use;
    without, own ones.

    In a stage with a ledger, jobs that neither read nor write files in `scratch` are recorded there, and those that the
    stage's previous run had too are not run: their outputs come from DVC's cache. Their results must be what the
    function's return annotation reads from JSON. `shared` decides the state, besides the stage's parameters and the
    inputs that no job divides: plain values, and files by content; without it `arguments` do, which then must be such.

    Raises `ValueError` if two jobs share a name or an output, or an output is not written; `TypeError` if the ledger
    cannot record something; else as `Pool.map`.
    """
    for what, values in (
        ("name", [job.name for job in jobs]),
        ("output", [str(path) for job in jobs for path in job.outputs.values()]),
    ):
        if repeated := sorted(value for value, count in Counter(values).items() if count > 1):
            raise ValueError(f"two shards have the {what} {repeated[0]}; each needs its own")
    ledger = shard_ledger.current()
    run = partial(_run, function, scratch)
    with nullcontext(pool) if pool is not None else Pool() as processes:
        if ledger is None or any(_in(scratch, job) for job in jobs):
            for result, _, _ in processes.map(run, jobs, start=start, arguments=arguments):
                yield result
            return
        known = Function(function, arguments if shared is None else shared)
        taken = _take(known, jobs, ledger, scratch, processes)
        rest = [job for job in jobs if job.name not in taken]
        computed = processes.map(partial(run, hashed=True), rest, start=start, arguments=arguments)
        for job in jobs:
            if not (line := taken.get(job.name)):
                result, inputs, outputs = next(computed)
                key = known.key(job, inputs)
                line = {"shard": job.name, "key": key, "outputs": outputs, "result": known.written(result)}
            ledger.add(line, taken=job.name in taken)
            yield known.read(line["result"])


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


def _in(scratch: Path, job: Job) -> bool:
    return any(scratch in path.parents for path in (*job.inputs, *job.outputs.values()))


def _take(known: Function, jobs: Sequence[Job], ledger: Ledger, scratch: Path, processes: Pool) -> dict[str, Record]:
    """{name: line of the ledger} of the jobs that the previous run had too, and whose outputs the cache gave."""
    previous = ledger.previous
    lines = previous.lines({path for job in jobs for path in job.inputs}) if previous else []
    if previous is None or not lines:
        return {}
    by_key = {line["key"]: line for line in lines}
    keys = (known.key(job, md5s) for job, md5s in zip(jobs, processes.map(_input_md5s, jobs), strict=True))
    found = [(job, {**by_key[key], "shard": job.name}) for job, key in zip(jobs, keys, strict=True) if key in by_key]
    given = processes.map(partial(_give, previous.cache, scratch), found)
    taken = {}
    for (job, line), missing in zip(found, given, strict=True):
        if missing is None:
            taken[job.name] = line
        else:
            log.info("shard %s: its output %s is missing or damaged in DVC's cache; computed again", job.name, missing)
    return taken


def _give(cache: Cache, scratch: Path, found: tuple[Job, Record]) -> str | None:
    """Put a job's outputs in their places. Returns the role of one that the cache does not have; then none is there."""
    job, line = found
    with _temporary(scratch, job) as temporary:
        for role, path in temporary.items():
            if role not in line["outputs"] or not cache.give(line["outputs"][role], path):
                return role
        _rename(temporary, job)
    return None


def _input_md5s(job: Job) -> list[str | None]:
    """None: a file that is only listed, which the job's fields have to describe."""
    return [file_md5(path) if path.exists() else None for path in job.inputs]


def _run(
    function: Callable[..., Result], scratch: Path, *state_and_job: Any, hashed: bool = False
) -> tuple[Result, list[str | None], dict[str, str]]:
    """The result of a job; if `hashed`, also the MD5 of each input, and of each output by role."""
    *state, job = state_and_job
    with _temporary(scratch, job) as temporary:
        result = function(*state, replace(job, outputs=temporary))
        if missing := [role for role, path in temporary.items() if not path.is_file()]:
            raise ValueError(f"shard {job.name}: the stage did not write its output {missing[0]}")
        md5s = {role: file_md5(path) for role, path in temporary.items()} if hashed else {}
        _rename(temporary, job)
    return result, _input_md5s(job) if hashed else [], md5s


@contextmanager
def _temporary(scratch: Path, job: Job) -> Iterator[dict[str, Path]]:
    """A path for each output, in a folder of its own: two attempts may work on the same shard when a lost worker was
    not dead."""
    with TemporaryDirectory(prefix="shard-", dir=scratch) as folder:
        temporary = {role: Path(folder, role, path.name) for role, path in job.outputs.items()}
        for path in temporary.values():
            path.parent.mkdir()
        yield temporary


def _rename(temporary: Mapping[str, Path], job: Job) -> None:
    for role, path in job.outputs.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary[role].rename(path)
