"""A Slurm for all tests of a session, and the toy project of the pipeline's tests with a first stage that waits."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lemur.core.files import read_yaml
from tests.cluster.slurm import Slurm
from tests.pipeline import conftest as pipeline
from tests.tools import Project

toy_project = pipeline.project
Lock = dict[str, Any]
LOCALLY_BUILT: list[Lock] = []

# What the first stage does before it writes its result, as files in the checkout say.
ON_DEMAND = """    import os, time
    wasted = b"x" * 10**9 if os.path.exists("waste") else b""
    while os.path.exists("wait"):
        time.sleep(0.1)
"""


@pytest.fixture(scope="session")
def alone() -> None:
    """Skips the tests where a daemon could be reached from outside, or would outlive them."""
    if os.geteuid() or [name for _, name in socket.if_nameindex()] != ["lo"]:
        pytest.skip("needs root and a network of its own: make cluster-test")


@pytest.fixture(scope="session")
def slurm(alone: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurm]:
    cluster = Slurm(tmp_path_factory.mktemp("slurm"))
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture
def project(slurm: Slurm, toy_project: Project) -> Project:
    toy_project.environment = slurm.variables
    toy_project.set("    text =", f"{ON_DEMAND}    text =", "src/lemur/toy/first.py")
    toy_project.commit()
    return toy_project


@pytest.fixture
def locally_built(project: Project, tmp_path: Path) -> Lock:
    """The dvc.lock of a local build of the same commit, built once for all tests."""
    if not LOCALLY_BUILT:
        local = project.clone(tmp_path / "local")
        local.run("snakemake", "--cores", "2")
        LOCALLY_BUILT.append(lock_of(local))
    return LOCALLY_BUILT[0]


def lock_of(project: Project) -> Lock:
    """The entries of dvc.lock by stage. Their order in the file is that in which the stages ended."""
    return read_yaml(project.root / "dvc.lock")["stages"]
