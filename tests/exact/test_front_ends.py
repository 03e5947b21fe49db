"""Both front ends, `snakemake` and `dvc repro`, agree on what is done and on every byte. About 1 minute."""

from pathlib import Path

import pytest

from tests.exact.conftest import copy, ran
from tests.tools import Project

pytestmark = pytest.mark.exact


def test_nothing_is_left_to_do_after_a_build(built: Project, tmp_path: Path) -> None:
    project = copy(built, tmp_path)
    assert "up to date" in project.run("dvc", "status")
    assert ran(project, "dvc", "repro") == set()
    assert project.planned() == set()
    assert project.run("git", "status", "--porcelain") == ""
