"""The origin of a run's artifacts: Git commit, experiment, DVC hashes, libraries. Never part of its key."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lemur.core.files import flatten, read_yaml

LOCK = "dvc.lock"
TRACKED = ("data/", "models/")


def tags(root: Path) -> dict[str, str]:
    return {**git(root), **experiment()}


def record(root: Path, stages: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Hashes and versions: too many for tags."""
    return {"dvc": hashes(stages), "environment": numerics(root)}


def locked_stages(root: Path) -> dict[str, Any]:
    """The stages of dvc.lock, which takes a second to read."""
    path = root / LOCK
    stages = read_yaml(path).get("stages", {}) if path.exists() else {}
    return {name: {"deps": [], "outs": [], **stage} for name, stage in stages.items()}


def git(root: Path) -> dict[str, str]:
    """`mlflow.source.git.commit`, and whether files differ from it. dvc.lock does not count: every build writes it."""
    commit = _git(root, "rev-parse", "HEAD")
    if commit is None:
        return {"lemur.git.commit": "none: not a Git checkout with a commit"}
    changed = _git(root, "status", "--porcelain", "--", ".", f":!{LOCK}") or ""
    return {
        "mlflow.source.git.commit": commit,
        "lemur.git.commit": commit,
        "lemur.git.dirty": str(bool(changed)).lower(),
    }


def hashes(stages: Mapping[str, Any]) -> dict[str, str]:
    """The hash that dvc.lock records for each output below data/ and models/."""
    outs = [out for stage in stages.values() for out in stage["outs"]]
    tracked = [out for out in outs if out["path"].startswith(TRACKED) and "md5" in out]
    return {out["path"].rstrip("/"): str(out["md5"]) for out in tracked}


def numerics(root: Path) -> dict[str, str]:
    """The entries of environment.yaml: library versions and the numerics profile."""
    path = root / "environment.yaml"
    return {key: str(value) for key, value in flatten(read_yaml(path)).items()} if path.exists() else {}


def experiment() -> dict[str, str]:
    """Name and baseline commit of the running `dvc exp run`, from the variables that DVC sets for its stages."""
    names = {"lemur.experiment": "DVC_EXP_NAME", "lemur.experiment.baseline": "DVC_EXP_BASELINE_REV"}
    return {tag: os.environ[name] for tag, name in names.items() if os.environ.get(name)}


def original_checkout(root: Path) -> Path:
    """The checkout that owns a queued or temporary DVC experiment below `.dvc/tmp/exps`, else `root` itself."""
    root = root.resolve()
    for parent in root.parents:
        if parent.name == "exps" and parent.parts[-3:] == (".dvc", "tmp", "exps"):
            return parent.parents[2]
    return root


def _git(root: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, timeout=20, encoding="utf-8", errors="replace"
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
