"""Compares dvc.lock files: what was built, in graph order, from which inputs, on which numerics profile."""

import subprocess
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

from dvc.utils.serialize import parse_yaml

from lemur.core import processor
from lemur.core.numerics import NUMERICS
from lemur.pipeline.artifacts.values import changes, join_names, short

ENVIRONMENT = "environment.yaml"

# Stage -> its entry in dvc.lock.
Lock = dict[str, dict[str, Any]]


def read(location: str | Path, root: Path) -> Lock:
    """The stages in the dvc.lock of a checkout, in a file, or in a revision of the repository `root`.

    Raises `SystemExit` if there is none.
    """
    return parse(text(location, root))


def text(location: str | Path, root: Path) -> str:
    """The text that `read` parses."""
    file = Path(location) / "dvc.lock" if Path(location).is_dir() else Path(location)
    if file.is_file():
        return file.read_text(encoding="utf-8")
    shown = subprocess.run(
        ["git", "-C", str(root), "show", f"{location}:./dvc.lock"], capture_output=True, encoding="utf-8"
    )
    if shown.returncode:
        raise SystemExit(f"{location}: not a checkout, a dvc.lock or a revision with one: {shown.stderr.strip()}")
    return shown.stdout


def parse(text: str) -> Lock:
    """The stages in the text of a dvc.lock, read by DVC's own parser: YAML 1.2, in which 1e-05 is a number."""
    return dict(parse_yaml(text, "dvc.lock").get("stages", {}))


def parents(lock: Lock) -> dict[str, set[str]]:
    """The stages that write each stage's inputs, with the stages in graph order."""
    writers = {out["path"].rstrip("/"): name for name, stage in lock.items() for out in stage.get("outs", [])}
    graph = {
        name: {writer for dep in stage.get("deps", []) if (writer := writers.get(dep["path"].rstrip("/")))}
        for name, stage in lock.items()
    }
    return {name: graph[name] for name in TopologicalSorter(graph).static_order()}


def data_stages(lock: Lock) -> list[str]:
    """Stages whose bytes do not depend on the numerics profile: neither they nor their ancestors declare it."""
    names: list[str] = []
    for name, inputs_from in parents(lock).items():
        if NUMERICS not in lock[name].get("params", {}).get(ENVIRONMENT, {}) and inputs_from <= set(names):
            names.append(name)
    return names


def select(lock: Lock, requested: list[str]) -> list[str]:
    """The requested stages and their ancestors, in graph order.

    A request is a stage's name, the name of a matrix (all its stages) or `data`; no requests select every stage.
    """
    graph = parents(lock)
    selected = set(graph) if not requested else set()
    for word in requested:
        matches = {name for name in graph if word in (name, name.partition("@")[0])}
        if not (matches := set(data_stages(lock)) if word == "data" else matches):
            raise SystemExit(f"no stage {word!r} in dvc.lock; there are {join_names(graph)}, and `data`")
        selected |= matches
    for name in reversed(graph):
        selected |= graph[name] if name in selected else set()
    return [name for name in graph if name in selected]


def inputs(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """The differences between the inputs of two entries of a stage: command, parameters, deps."""
    lines = [f"command: {change}" for change in changes(old.get("cmd"), new.get("cmd"))]
    lines += [f"parameter {change}" for change in changes(old.get("params", {}), new.get("params", {}))]
    before, after = ({dep["path"]: dep["md5"] for dep in side.get("deps", [])} for side in (old, new))
    paths = [path for path in before | after if before.get(path) != after.get(path)]
    return lines + [f"{path} {short(before.get(path))} -> {short(after.get(path))}" for path in paths]


def outputs(before: dict[str, Any], after: dict[str, Any]) -> list[tuple[str, str, str]]:
    """(path, md5 before, md5 after) for each output of two entries of a stage; "" where an entry lacks it."""
    old, new = ({out["path"]: out["md5"] for out in entry.get("outs", [])} for entry in (before, after))
    return [(path, old.get(path, ""), new.get(path, "")) for path in old | new]


def profile(lock: Lock) -> dict[str, Any]:
    """The numerics profile of the stages that declare one."""
    values = [stage.get("params", {}).get(ENVIRONMENT, {}).get(NUMERICS) for stage in lock.values()]
    return next((value for value in values if value), {})


def profile_mismatch(committed: Lock, built: Lock | None) -> str:
    """Why this machine or this build has another numerics profile than the committed one, or ""."""
    numerics = profile(committed)
    built_numerics = profile(built or {})
    if built_numerics and (differences := list(changes(numerics, built_numerics))):
        return f"its numerics are not those of dvc.lock ({'; '.join(differences)})"
    return processor.outside_profile(numerics)
