"""Hosted CI, container, notebook and citation: that they say what the README says, and run."""

import os
import re
import subprocess
import sys

import nbformat
import pytest

from lemur.core.files import read_yaml
from tests.tools import ROOT

NOTEBOOK = ROOT / "docs/notebooks/artifacts.ipynb"


def workflow_steps() -> list[dict[str, str]]:
    return read_yaml(ROOT / ".github/workflows/ci.yml")["jobs"]["readme"]["steps"]


def test_hosted_ci_runs_the_readmes_commands_and_pins_each_action_by_its_commit() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    commands = [step["run"] for step in workflow_steps() if "run" in step]
    assert [command for command in commands if command.startswith("make ")] == [
        "make reproduce",
        "make check",
        "make test",
    ]
    assert all(f"    {command} " in readme for command in ("make reproduce", "make test"))
    assert commands[commands.index("make reproduce") + 1] == "git --no-pager diff --exit-code HEAD"
    for step in workflow_steps():
        assert re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40}", step.get("uses", f"actions/none@{'0' * 40}"))


def test_the_container_gets_no_git_configuration() -> None:
    """It may hold tokens of remotes."""
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert ignored[-5:] == ["*", "!.git", ".git/config", ".git/hooks", ".git/logs"]


def test_the_notebook_has_no_outputs() -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=nbformat.NO_CONVERT)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        assert not cell.get("outputs") and cell.get("execution_count") is None


@pytest.mark.skipif(not (ROOT / "reports/summary/counts.json").exists(), reason="no build here; `make reproduce` first")
def test_the_notebook_runs_from_top_to_bottom() -> None:
    """IPython, which is installed, runs notebooks; a Jupyter kernel would be 20 more packages."""
    command = [sys.executable, "-m", "IPython", "--no-banner", "--colors=NoColor", str(NOTEBOOK)]
    environment = {**os.environ, "MPLBACKEND": "agg"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "--- correct:" in done.stdout


def test_the_software_has_one_version() -> None:
    version = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    assert version and read_yaml(ROOT / "CITATION.cff")["version"] == version[1]
