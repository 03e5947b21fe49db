"""dvc.lock files side by side: what was built, in graph order, out of which inputs, on which numerics profile."""

import subprocess
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

from dvc.utils.serialize import parse_yaml

from lemur.core import processor
from lemur.core.numerics import NUMERICS
from lemur.pipeline.artifacts.values import changes, listed, short

ENVIRONMENT = "environment.yaml"

# Stage -> its entry in dvc.lock.
Lock = dict[str, dict[str, Any]]


def read(place: str | Path, root: Path) -> Lock:
    """The stages of a dvc.lock: of a checkout, of a file, or of a revision of the repository `root`.

    Raises `SystemExit` if there is none.
    """
    return parse(text(place, root))


def text(place: str | Path, root: Path) -> str:
    """What `read` reads, as it stands there."""
    file = Path(place) / "dvc.lock" if Path(place).is_dir() else Path(place)
    if file.is_file():
        return file.read_text(encoding="utf-8")
    shown = subprocess.run(
        ["git", "-C", str(root), "show", f"{place}:./dvc.lock"], capture_output=True, encoding="utf-8"
    )
    if shown.returncode:
        raise SystemExit(f"{place}: no checkout, dvc.lock or revision with a dvc.lock: {shown.stderr.strip()}")
    return shown.stdout


def parse(text: str) -> Lock:
    """The stages in a dvc.lock's text, by DVC's own reader: YAML 1.2, in which 1e-05 is a number."""
    return dict(parse_yaml(text, "dvc.lock").get("stages", {}))


def parents(lock: Lock) -> dict[str, set[str]]:
    """The stages that write each stage's inputs; stages in graph order."""
    writers = {out["path"].rstrip("/"): name for name, stage in lock.items() for out in stage.get("outs", [])}
    graph = {
        name: {writer for dep in stage.get("deps", []) if (writer := writers.get(dep["path"].rstrip("/")))}
        for name, stage in lock.items()
    }
    return {name: graph[name] for name in TopologicalSorter(graph).static_order()}


def data_stages(lock: Lock) -> list[str]:
    """Stages whose bytes no numerics profile decides: they do not declare it, nor does anything they are made from."""
    found: list[str] = []
    for name, made_from in parents(lock).items():
        if NUMERICS not in lock[name].get("params", {}).get(ENVIRONMENT, {}) and made_from <= set(found):
            found.append(name)
    return found


def select(lock: Lock, asked: list[str]) -> list[str]:
    """Asked stages (names, all of a matrix, `data`; nothing is all) and what they are made from, in graph order."""
    graph = parents(lock)
    found = set(graph) if not asked else set()
    for word in asked:
        named = {name for name in graph if word in (name, name.partition("@")[0])}
        if not (named := set(data_stages(lock)) if word == "data" else named):
            raise SystemExit(f"no stage {word!r} in dvc.lock; there are {listed(graph)}, and `data`")
        found |= named
    for name in reversed(graph):
        found |= graph[name] if name in found else set()
    return [name for name in graph if name in found]


def inputs(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """What differs between that which two entries of one stage were made from: command, parameters, deps."""
    found = [f"command: {change}" for change in changes(old.get("cmd"), new.get("cmd"))]
    found += [f"parameter {change}" for change in changes(old.get("params", {}), new.get("params", {}))]
    before, after = ({dep["path"]: dep["md5"] for dep in side.get("deps", [])} for side in (old, new))
    paths = [path for path in before | after if before.get(path) != after.get(path)]
    return found + [f"{path} {short(before.get(path))} -> {short(after.get(path))}" for path in paths]


def outputs(before: dict[str, Any], after: dict[str, Any]) -> list[tuple[str, str, str]]:
    """(path, md5 before, md5 after) of what two entries of one stage wrote, "" where one has none."""
    old, new = ({out["path"]: out["md5"] for out in entry.get("outs", [])} for entry in (before, after))
    return [(path, old.get(path, ""), new.get(path, "")) for path in old | new]


def profile(lock: Lock) -> dict[str, Any]:
    """The numerics profile of the stages that declare one."""
    values = [stage.get("params", {}).get(ENVIRONMENT, {}).get(NUMERICS) for stage in lock.values()]
    return next((value for value in values if value), {})


def other_profile(committed: Lock, built: Lock | None) -> str:
    """Why this machine or this build is on another numerics profile than the committed one, or ""."""
    numerics = profile(committed)
    theirs = profile(built or {})
    if theirs and (found := list(changes(numerics, theirs))):
        return f"its numerics are not those of dvc.lock ({'; '.join(found)})"
    return processor.outside_profile(numerics)
