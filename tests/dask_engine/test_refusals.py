"""Clusters and workers that are refused, each with a message that says how to mend it."""

import os
import shutil
import socket
import subprocess
import sys
import time
from concurrent.futures import BrokenExecutor
from importlib.metadata import distribution
from pathlib import Path

import pytest

from lemur.core import dask_engine
from lemur.core.parallel import Pool
from tests.dask_engine import calls
from tests.dask_engine.cluster import ROOT
from tests.maps import map_in_order


def refused(message: str) -> None:
    start = time.monotonic()
    with pytest.raises(SystemExit, match=message):
        list(map_in_order(calls.fail, range(3)))
    assert time.monotonic() - start < 100  # on a busy machine a worker takes half a minute to start


@pytest.fixture
def soon(monkeypatch):
    monkeypatch.setattr(dask_engine, "WAIT_S", 2)
    monkeypatch.setattr(dask_engine, "CONNECT_S", 2)


def test_no_scheduler_file(cluster, soon):
    refused(rf"LEMUR_ENGINE names {cluster.file}, .*dask scheduler --no-dashboard --scheduler-file {cluster.file}")


def test_half_a_scheduler_file(cluster, soon):
    cluster.file.write_text('{"type": "Sched', encoding="utf-8")
    refused(rf"LEMUR_ENGINE names {cluster.file}, .*dask scheduler")


def test_a_scheduler_that_has_ended(cluster, soon):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{unused.getsockname()[1]}"
    cluster.file.write_text(f'{{"address": "{address}"}}', encoding="utf-8")
    refused(rf"LEMUR_ENGINE: no scheduler at {address}, which {cluster.file} names: .*start another: `dask scheduler")


def test_no_workers(cluster, soon):
    cluster.start_scheduler()
    refused(rf"had no worker for 2 s; start some: dask worker --scheduler-file {cluster.file} --nthreads 1 --nworkers")


def test_all_workers_lost(cluster, soon, tmp_path):
    cluster.start(1)
    with pytest.raises(BrokenExecutor, match=r"lost all its workers, and none came for 2 s; start some"):
        for _ in map_in_order(calls.wait, [ROOT, tmp_path / "never"]):
            for nanny in cluster.nannies:
                os.killpg(nanny.pid, 9)


def test_the_scheduler_ends_during_a_stage(cluster, soon, tmp_path):
    cluster.start(1)
    with pytest.raises(BrokenExecutor, match=r"the Dask scheduler at tcp://127.0.0.1:\d+ has ended .* run the stage"):
        for _ in map_in_order(calls.wait, [ROOT, tmp_path / "never"]):
            cluster.kill_scheduler()


def test_workers_of_several_threads(cluster):
    cluster.start_scheduler()
    cluster.start_worker("--nthreads", "2")
    refused(r"the worker tcp://\S+ has 2 threads; a call needs a process of its own: dask worker .*--nthreads 1")


def other_code(folder: Path) -> Path:
    """A copy of the project's code with an edited module."""
    shutil.copytree(ROOT / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "environment.yaml", "requirements"):
        (folder / name).symlink_to(ROOT / name)
    edit(folder)
    return folder / "src"


def edit(folder: Path) -> None:
    with (folder / "src/lemur/core/counts.py").open("a", encoding="utf-8") as file:
        file.write("# edited\n")


CODE = r"tcp://127.0.0.1:\d+: src/lemur: [0-9a-f]{16}, the stage has [0-9a-f]{16}\n.*checkout of the same commit"


def test_other_code(cluster, tmp_path):
    cluster.start(1)
    cluster.start_worker(PYTHONPATH=f"{other_code(tmp_path / 'other')}:{ROOT}")
    cluster.wait_for(2)
    refused(CODE)


def test_a_worker_without_this_project(cluster):
    cluster.start_scheduler()
    cluster.start_worker(PYTHONPATH="")
    refused(r"tcp://127.0.0.1:\d+: it cannot load src/lemur: ModuleNotFoundError.*No module named 'lemur'")


def test_another_version_of_a_package(cluster, tmp_path):
    name = "regex"
    installed = distribution(name)
    record = tmp_path / "packages" / f"{name}-0.1.dist-info"
    record.mkdir(parents=True)
    metadata = (installed.read_text("METADATA") or "").replace(f"Version: {installed.version}", "Version: 0.1")
    (record / "METADATA").write_text(metadata, encoding="utf-8")
    cluster.start_scheduler()
    cluster.start_worker(PYTHONPATH=f"{record.parent}:{ROOT / 'src'}:{ROOT}")
    refused(rf"tcp://127.0.0.1:\d+: regex: 0.1, the stage has {installed.version}\n")


def test_another_encoding(cluster):
    cluster.start_scheduler()
    cluster.start_worker(PYTHONUTF8="0", PYTHONCOERCECLOCALE="0", LC_ALL="C")
    refused(r"encoding: ansi\S+, the stage has utf8")


def test_a_numpy_of_several_threads(cluster, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    cluster.start_scheduler()
    cluster.start_worker(OMP_NUM_THREADS="7")
    refused(r"OMP_NUM_THREADS: 7 when this worker began, the stage has 1\n")


DRIVER = """
from tests.maps import map_in_order
from tests.dask_engine import calls
assert list(map_in_order(calls.fail, range(3))) == [0, 1, 2]
"""


def test_code_that_was_edited_after_the_workers_began(cluster, tmp_path):
    """The files are the stage's again, but the worker has loaded the ones before."""
    source = other_code(tmp_path / "other")
    variables = {**os.environ, "PYTHONPATH": f"{source}:{ROOT}"}

    def stage() -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, "-c", DRIVER], env=variables, capture_output=True, encoding="utf-8")

    cluster.start_scheduler()
    cluster.start_worker(PYTHONPATH=f"{source}:{ROOT}")
    done = stage()
    assert done.returncode == 0, done.stderr
    edit(tmp_path / "other")
    done = stage()
    assert done.returncode == 1
    assert "src/lemur: " in done.stderr and " when this worker began, the stage has " in done.stderr


@pytest.mark.parametrize("code", ["edited", "none"])
def test_a_worker_that_comes_late_is_refused_too(cluster, tmp_path, code):
    cluster.start(1)
    source = f"{other_code(tmp_path / 'other')}:{ROOT}" if code == "edited" else ""
    message = CODE if code == "edited" else "cannot load src/lemur"
    with Pool() as pool, pytest.raises(SystemExit, match=message):
        for number, _ in enumerate(pool.map(calls.repeat, range(0, 6000, 3), start=calls.upper, arguments=("a",))):
            if number == 0:
                cluster.start_worker(PYTHONPATH=source)
