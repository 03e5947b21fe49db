"""The demo built by profiles/slurm from its fetched sources, each job within its memory and its time. Half an hour."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.cluster.conftest import lock_of
from tests.cluster.slurm import Slurm
from tests.cluster.test_slurm import BUILD
from tests.exact.conftest import own_cache, variables
from tests.tools import ROOT, Project

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(7200)]


def test_the_demo_has_the_bytes_of_the_committed_lock(slurm: Slurm, tmp_path: Path) -> None:
    project = Project(tmp_path / "lemur", variables(tmp_path) | slurm.variables)
    subprocess.run(["git", "clone", "-q", str(ROOT), str(project.root)], check=True)
    own_cache(project)
    # The sources of the built checkout: some are packages, and there is no network.
    shutil.copytree(ROOT / "data/raw", project.root / "data/raw", dirs_exist_ok=True)
    project.run("dvc", "commit", "--force", *(name for name in lock_of(project) if name.startswith("fetch@")))
    assert project.run("git", "status", "--porcelain") == ""
    output = project.run(*BUILD)
    assert "artifacts have the bytes that the committed dvc.lock records." in output
    assert project.run("git", "status", "--porcelain") == ""
    assert slurm.call("squeue", "--noheader") == ""
