"""Runs a stage: `lemur run FOLDER.STAGE [--params BLOCK] NAME=PATH...`, the command of every stage in dvc.yaml."""

import atexit
import inspect
import json
import logging
import os
import shutil
import signal
import sys
from contextlib import nullcontext
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from lemur.core import processor, shard_ledger, workers
from lemur.core.files import DAG, ENVIRONMENT, PARAMS, ROOT, read_yaml
from lemur.core.numerics import NUMERICS, apply_numerics, check_packages
from lemur.core.parameter_blocks import bindings as bound_paths
from lemur.core.parameter_blocks import current_blocks
from lemur.core.shards import scratch_of
from lemur.pipeline.artifacts import integrity
from lemur.pipeline.build import locks, multi_host
from lemur.pipeline.build.previous_run import previous_run
from lemur.pipeline.build.validation import environment_keys, stage_module, stage_params

LEDGER = "ledger"  # an output that this runner writes, for a stage of shards (core/shard_ledger.py)
ADVICE = """Stage {stage} failed. Repeat only this stage: dvc repro --single-item {stage}
Restore its last good outputs: dvc checkout {stage}
"""

log = logging.getLogger(__name__)


def run(dotted: str, params_key: str | None, bindings: list[str]) -> None:
    """Validate a stage's parameters and environment, run it on temporary paths and rename its outputs.

    Raises `SystemExit` with a message if anything is wrong before the stage's own work starts.
    """
    if strange := [word for word in bindings if not _is_utf8(word)]:
        raise SystemExit(
            f"{dotted}: {strange[0]!r} is not UTF-8, so `dvc` ran in another encoding: `export PYTHONUTF8=1` and repeat"
        )
    if stage := os.environ.get("DVC_STAGE"):
        # Printed after the traceback, where people look.
        atexit.register(sys.stderr.write, ADVICE.format(stage=stage))
    # Ctrl-C ends a stage at once, even in compiled code; its partial outputs have temporary names.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    # End with the `dvc` that started this stage: an orphan would keep writing while a new build runs.
    workers.end_with(int(os.environ.get("LEMUR_JOB", os.getppid())))
    under_snakemake = "LEMUR_JOB" in os.environ or multi_host.LAUNCHED in os.environ
    locks.hold_stage(ROOT) if under_snakemake else locks.join_builds(ROOT)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    logging.getLogger("absl").setLevel(logging.WARNING)
    if not sys.stderr.isatty():
        # In a log, print the remaining time of a long stage now and then; tqdm reads these when it is imported.
        os.environ.update(TQDM_DELAY="15", TQDM_MININTERVAL="15", TQDM_MAXINTERVAL="60")
    name = dotted.rpartition(".")[2]
    module = stage_module(dotted)
    key = params_key or name
    params = stage_params(module, key, read_yaml(PARAMS), read_yaml(DAG))
    distributed = getattr(module, "DISTRIBUTED", False)
    if distributed and multi_host.relaunch(["run", dotted, "--params", key, *bindings]):
        atexit.unregister(sys.stderr.write)
        return
    devices = getattr(getattr(params, "mesh", None), "devices", 1)
    numerics = read_yaml(ENVIRONMENT)[NUMERICS] if NUMERICS in environment_keys(declared(dotted)) else None
    apply_numerics(numerics, devices // multi_host.processes())
    if mismatch := processor.outside_profile(numerics or {}):
        logging.warning("Warning: %s, so this stage may give other bytes than elsewhere", mismatch)
    check_packages(declared_packages(dotted))
    inputs, outputs = bind(module, name, bindings)
    listed = {argument: folders_in(dotted, path) for argument, path in inputs.items() if takes_list(module, argument)}
    read = [(argument, path) for argument, folder in inputs.items() for path in listed.get(argument, [folder])]
    for argument, path in read:
        if not path.exists():
            raise SystemExit(f"{name}: input {argument}={path} is missing; `dvc repro {name}` builds what it needs")
    if stage:
        integrity.check_inputs(name, [path for _, path in read], outputs.values())
    views = [
        listed[argument] if argument in listed else declared_view(dotted, argument, path)
        for argument, path in inputs.items()
    ]
    index = multi_host.join() if distributed else 0
    if index:
        logging.getLogger().setLevel(logging.ERROR)
    partial = {
        argument: multi_host.scratch(path.with_name(f".{path.name}.partial"), index)
        for argument, path in outputs.items()
    }
    for path in partial.values():
        # First of all: on a Dask cluster, shards of a killed stage may still be running, and write there.
        remove(scratch_of(path))
    for path in partial.values():
        remove(path)
        path.parent.mkdir(parents=True, exist_ok=True)
    written = {argument: path for argument, path in partial.items() if argument != LEDGER}
    previous = previous_run(stage, outputs[LEDGER]) if stage and LEDGER in outputs else None
    try:
        with shard_ledger.recording(previous) if LEDGER in outputs else nullcontext() as ledger:
            getattr(module, name)(params, *views, **written)
        if ledger is not None:
            ledger.write(partial[LEDGER])
            taken, shards = ledger.taken()
            if taken:
                log.info("%s: %d of %d shards taken from the cache", name, taken, shards)
    except BaseException:
        for path in partial.values():
            remove(path)  # after a disk has filled, this is what fills it
        raise
    if distributed:
        multi_host.wait_for_all(name)
    if index:
        for path in partial.values():
            remove(path)
        atexit.unregister(sys.stderr.write)
        return
    for argument, path in outputs.items():
        if not partial[argument].exists():
            raise SystemExit(f"{name}: the stage did not write its output {argument}={path}")
    for argument, path in outputs.items():
        remove(path)
        partial[argument].rename(path)
    if afterwards := getattr(module, "afterwards", None):
        afterwards(ROOT)
    atexit.unregister(sys.stderr.write)


def bind(module: ModuleType, name: str, bindings: list[str]) -> tuple[dict[str, Path], dict[str, Path]]:
    """NAME=PATH arguments as the stage function's inputs (positional) and outputs (keyword-only), in its order.

    A ledger of its shards is an output too, the last.
    """
    paths: dict[str, Path] = {}
    for binding in bindings:
        argument, equals, path = binding.partition("=")
        if not equals or not path:
            raise SystemExit(f"{name}: {binding!r} is not NAME=PATH")
        paths[argument] = Path(path)
    parameters = list(inspect.signature(getattr(module, name)).parameters.values())[1:]
    ledger = {LEDGER: paths.pop(LEDGER)} if LEDGER in paths else {}
    wanted = {parameter.name for parameter in parameters}
    if wanted != set(paths):
        raise SystemExit(
            f"{name}: arguments {sorted(set(paths) ^ wanted)} are missing or unknown; it takes {sorted(wanted)}"
        )
    outputs = {p.name: paths[p.name] for p in parameters if p.kind is p.KEYWORD_ONLY}
    inputs = {p.name: paths[p.name] for p in parameters if p.kind is not p.KEYWORD_ONLY}
    return inputs, outputs | ledger


def _is_utf8(text: str) -> bool:
    try:
        return bool(text.encode())
    except UnicodeEncodeError:  # Python keeps other bytes of a command line as lone surrogates
        return False


def takes_list(module: ModuleType, argument: str) -> bool:
    """Whether the stage's function takes the deps in the folder of this argument one by one."""
    name = module.__name__.rpartition(".")[2]
    return inspect.signature(getattr(module, name)).parameters[argument].annotation == list[Path]


def folders_in(dotted: str, folder: Path) -> list[Path]:
    """The deps in a folder that the stage's command in dvc.yaml names; every folder in any other one, by name."""
    if folder in map(Path, bound_paths(declared(dotted)["cmd"]).values()):
        return deps_inside(dotted, folder)
    return sorted(path for path in folder.iterdir() if path.is_dir())


def deps_inside(dotted: str, folder: Path) -> list[Path]:
    """The deps of a stage that lie in a folder, in dvc.yaml's order."""
    return [path for path in map(Path, declared(dotted)["deps"]) if folder in path.parents]


def declared_view(dotted: str, argument: str, path: Path) -> Path:
    """An input as the stage may see it: itself if it is a dep, else a folder of links to the deps that lie in it.

    A stale or undeclared file beside them would reach the stage's output without DVC knowing. params.yaml is seen with
    the values that blocks share written out in each of them.
    """
    if path == Path(PARAMS.name):
        view = Path(".lemur/views") / dotted / path.name
        view.parent.mkdir(parents=True, exist_ok=True)
        view.write_text(json.dumps(current_blocks()), encoding="utf-8")
        return view
    inside = deps_inside(dotted, path)
    if not inside or path in map(Path, declared(dotted)["deps"]):
        return path
    view = Path(".lemur/views") / dotted / argument
    remove(view)
    for dep in inside:
        link = view / dep.relative_to(path)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(dep.resolve())
    return view


def declared_packages(dotted: str) -> list[str]:
    """The distributions whose versions the stage declares in dvc.yaml as params of environment.yaml."""
    keys = environment_keys(declared(dotted))
    return [key.removeprefix("packages.") for key in keys if key.startswith("packages.")]


@cache
def declared(dotted: str) -> dict[str, Any]:
    """The dvc.yaml entry of a stage. Raises `SystemExit` if there is none."""
    for stage in read_yaml(DAG)["stages"].values():
        if f" run {dotted} " in f" {stage['cmd']} ":
            return dict(stage)
    raise SystemExit(f"dvc.yaml: no stage runs {dotted}")


def remove(path: Path) -> None:
    """Remove a file, a link or a directory, if there is one."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
