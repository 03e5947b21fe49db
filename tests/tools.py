"""A checkout in which a test calls the real tools: git, dvc, snakemake, lemur."""

import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

    from lemur.pipeline.build.dag import Dag

ROOT = Path(__file__).resolve().parents[1]


def session_folder(tmp_path_factory: "pytest.TempPathFactory") -> Path:
    """The session's temporary folder, one for all processes of `pytest -n`, whose own folders are in it."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@cache
def checkout_dag() -> "Dag":
    """The stages of this checkout, to read only; DVC takes 1.6 s to load them."""
    from lemur.pipeline.build.dag import Dag

    return Dag(ROOT)


class Project:
    """A checkout in which to call the tools; `environment` has additional variables for each call."""

    def __init__(self, root: Path, environment: dict[str, str] | None = None) -> None:
        self.root = root
        self.environment = environment or {}

    def variables(self) -> dict[str, str]:
        """The environment of a command: this environment's tools first, no code or settings from outside."""
        inherited = {key: value for key, value in os.environ.items() if not key.startswith(("LEMUR_", "MLFLOW_"))}
        inherited.pop("PYTHONPATH", None)
        path = f"{Path(sys.executable).parent}:{inherited['PATH']}"
        # Without bytecode, which some images disable, every start is three times slower.
        return {**inherited, "PYTHONDONTWRITEBYTECODE": "", "PATH": path, **self.environment}

    def run(self, *command: str, ok: bool = True) -> str:
        """Output of a command, both streams; fails the test if its exit status is not as expected."""
        done = subprocess.run(
            command,
            cwd=self.root,
            env=self.variables(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
        )
        assert (done.returncode == 0) is ok, done.stdout
        return done.stdout

    def lemur(self, *arguments: str, ok: bool = True) -> str:
        """Output of `lemur ARGUMENTS` with this checkout's code."""
        return self.run("env", "PYTHONPATH=src", "python", "-m", "lemur", *arguments, ok=ok)

    def planned(self, *options: str) -> set[str]:
        """The rules that `snakemake -n` plans, without `all`."""
        lines = self.run("snakemake", "-n", *options).splitlines()
        if "Job stats:" not in lines:
            return set()
        start = lines.index("Job stats:") + 3
        return {line.split()[0] for line in lines[start : lines.index("", start)]} - {"all", "total"}

    def set(self, old: str, new: str, name: str = "params.yaml") -> None:
        path = self.root / name
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), encoding="utf-8")

    def commit(self) -> None:
        self.run("git", "add", "-A")
        self.run("git", "commit", "-qm", "state")

    def clone(self, to: Path) -> "Project":
        self.run("git", "clone", "-q", str(self.root), str(to))
        return Project(to, self.environment)


def identity() -> dict[str, str]:
    """Variables that let git commit without a configured name."""
    return {
        f"GIT_{role}_{key}": value
        for role in ("AUTHOR", "COMMITTER")
        for key, value in {"NAME": "test", "EMAIL": "test@example.org"}.items()
    }
