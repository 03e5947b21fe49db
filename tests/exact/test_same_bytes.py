"""The same inputs give the same bytes, wherever and however they are built. About 4 minutes: one more build.

The other tests' build uses snakemake, two cores, a random hash seed and the file system's order of directories. The
build here differs in all of these at once. test_hermetic.py runs every stage a third time, with one worker and yet
another hash seed.
"""

import os
import shutil
from pathlib import Path

import pytest

from tests.exact.conftest import from_scratch, locked_hashes, variables
from tests.tools import Project

pytestmark = [pytest.mark.exact, pytest.mark.tiny]

SHUFFLED = Path(__file__).with_name("shuffled.py")
LIST = "import os, pathlib; p = pathlib.Path('src/lemur'); print([f.name for f in p.iterdir()], next(os.walk(p))[1])"


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Built from scratch by `dvc repro`, on one core, with everything else different from `built` too."""
    folder = tmp_path_factory.mktemp("another longer path with blanks and ümlauts")
    settings = {
        **variables(folder),
        "PYTHONHASHSEED": "1",
        "LC_ALL": "C",
        "LANGUAGE": "tr",
        "TZ": "XYZ-13:45",
        "LEMUR_WORKERS": "3",
        "COLUMNS": "40",
    }
    project = Project(folder / "deeper" / "checkout", settings)
    from_scratch(project)
    shutil.copy(SHUFFLED, project.root / "src/sitecustomize.py")
    project.run("taskset", "--cpu-list", str(min(os.sched_getaffinity(0))), "dvc", "repro")
    return project


def test_another_build_from_scratch_gives_the_same_bytes(built: Project, other: Project) -> None:
    assert locked_hashes(other) == locked_hashes(built)
    assert (other.root / "dvc.lock").read_bytes() == (built.root / "dvc.lock").read_bytes()


def test_after_dvc_repro_snakemake_has_nothing_to_do(other: Project) -> None:
    assert other.planned() == set()


def test_directories_were_listed_in_another_order(other: Project) -> None:
    shuffled = other.run("env", "PYTHONPATH=src", "python", "-c", LIST)
    assert shuffled != other.run("env", "python", "-c", LIST)
    assert sorted(shuffled) == sorted(other.run("env", "python", "-c", LIST))
