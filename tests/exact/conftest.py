"""A tiny build in a clone of HEAD, made once, and cheap copies of it in which a test may change anything.

The build takes two minutes; LEMUR_EXACT_BUILT=FOLDER keeps it for the next session while you write tests.
Each file says how long it takes on two idle cores. Tests that need a build are marked `tiny`; CI runs the rest.
"""

import fcntl
import os
import re
import shutil
import subprocess
import warnings
from collections.abc import Iterable
from pathlib import Path

import pytest

from lemur.core.files import read_yaml
from lemur.pipeline.build.dag import Dag
from tests.pipeline.conftest import project as project  # the toy project
from tests.tools import ROOT, Project, identity, session_folder


@pytest.hookimpl(tryfirst=True)  # before `-m` selects
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            if "built" in getattr(item, "fixturenames", ()):
                item.add_marker(pytest.mark.tiny)
            item.add_marker(pytest.mark.timeout(3600))  # a build can be very slow on a busy machine


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Read only: a clone of HEAD at scale tiny, built by `snakemake --cores 2`, committed, with a cache of its own."""
    kept = os.environ.get("LEMUR_EXACT_BUILT")
    # The processes of `pytest -n` share a single build.
    folder = Path(kept).resolve() if kept else session_folder(tmp_path_factory) / "built"
    project = Project(folder / "lemur", variables(folder))
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "complete").exists():
            from_scratch(project)
            project.run("snakemake", "--cores", "2")
            project.commit()
            (folder / "complete").touch()
    return project


@pytest.fixture
def demo(tmp_path: Path) -> Project:
    """A fresh clone of HEAD with an empty home and the artifacts of this checkout, which must have built HEAD."""
    return demo_in(tmp_path)


def demo_in(folder: Path) -> Project:
    project = Project(folder / "lemur", variables(folder))
    clone_head(project)
    shutil.copytree(Project(ROOT).run("dvc", "cache", "dir").strip(), own_cache(project))
    project.run("dvc", "checkout", "-q")
    return project


@pytest.fixture(scope="session")
def dag(built: Project) -> Dag:
    """The stages of `built`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(built.root)
        return Dag(built.root)


def variables(folder: Path) -> dict[str, str]:
    """The variables of every project in a session: an empty home, with a shared pip cache, and no DVC state outside."""
    home = folder / "home"
    home.mkdir(parents=True, exist_ok=True)
    return {
        **identity(),
        "HOME": str(home),
        "XDG_CACHE_HOME": str(home / ".cache"),
        "DVC_SITE_CACHE_DIR": str(folder / "site"),
        "DVC_NO_ANALYTICS": "1",
        "DO_NOT_TRACK": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }


def from_scratch(project: Project) -> None:
    """A clone of HEAD at scale tiny with an empty cache beside it, nothing built."""
    clone_head(project)
    own_cache(project)
    project.lemur("scale", "tiny")


def clone_head(project: Project) -> None:
    if subprocess.run(["git", "diff", "--quiet", "HEAD"], cwd=ROOT).returncode:
        warnings.warn("the exact tests clone HEAD; uncommitted changes are not tested", stacklevel=2)
    project.root.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["git", "clone", "-q", str(ROOT), str(project.root)], check=True)


def own_cache(project: Project) -> Path:
    """Give a project the folder `cache` beside it as DVC's cache. Returns the folder."""
    cache = project.root.with_name("cache")
    (project.root / ".dvc/config.local").write_text(f"[cache]\n    dir = {cache}\n", encoding="utf-8")
    return cache


def copy(built: Project, folder: Path) -> Project:
    """An independent copy below `folder`: checkout, artifacts, cache and run cache. About 3 s and 50 MB."""
    project = built.clone(folder / "lemur")
    shutil.copytree(built.root.with_name("cache"), own_cache(project))
    project.run("dvc", "checkout", "-q")
    return project


def locked_hashes(project: Project) -> dict[str, str]:
    """Hash of every output in dvc.lock, by path."""
    stages = read_yaml(project.root / "dvc.lock")["stages"]
    return {out["path"]: out["md5"] for stage in stages.values() for out in stage["outs"]}


def executed_rules(project: Project, *command: str) -> set[str]:
    """Call `snakemake` or `dvc repro`; the rules whose command really ran: not skipped, not from the run cache."""
    shutil.rmtree(project.root / "logs", ignore_errors=True)
    output = project.run(*command)
    output += "".join(log.read_text(encoding="utf-8") for log in (project.root / "logs").glob("*.log"))
    return rules(re.findall(r"^Running stage '(\S+)':$", output, re.MULTILINE))


def rules(stages: Iterable[str]) -> set[str]:
    """Snakemake's rule names for DVC's stage names."""
    return {re.sub("[@-]", "_", name) for name in stages}
