"""Every stage with shards on a Dask cluster: two builds of the data at scale tiny. About 4 minutes."""

from pathlib import Path

import pytest

from lemur.core.files import read_yaml
from tests.dask_engine.cluster import DaskCluster
from tests.exact.conftest import from_scratch, locked_hashes, variables
from tests.tools import ROOT, Project

TARGETS = ("data/corpus/packed_base", "data/corpus/packed_lemur", "data/instructions/encoded")


def clone(folder: Path) -> Project:
    project = Project(folder / "lemur", variables(folder))
    from_scratch(project)
    return project


@pytest.mark.timeout(1800)
def test_the_same_bytes_as_with_local_processes(cluster: DaskCluster, tmp_path: Path) -> None:
    from distributed import Client

    local, on_dask = clone(tmp_path / "local"), clone(tmp_path / "dask")
    local.run("snakemake", "--cores", "2", *TARGETS)
    cluster.start_scheduler()
    for _ in range(2):
        cluster.start_worker(cwd=on_dask.root, PYTHONPATH=f"{on_dask.root / 'src'}:{ROOT}")
    cluster.wait_for(2)
    on_dask.environment["LEMUR_ENGINE"] = f"dask:{cluster.file}"
    on_dask.run("snakemake", "--cores", "2", *TARGETS)
    hashes = locked_hashes(local)
    assert locked_hashes(on_dask) == hashes

    stages = read_yaml(ROOT / "dvc.yaml")["stages"]
    sharded = {name for name, stage in stages.items() if "src/lemur/core/shards.py" in stage["deps"]}
    assert len(sharded) >= 9
    locked = {name.split("@")[0]: entry for name, entry in read_yaml(on_dask.root / "dvc.lock")["stages"].items()}
    with Client(cluster.address(), set_as_default=False) as client:
        steps = client.run_on_scheduler(lambda dask_scheduler: dask_scheduler.transition_counter)
    # Each of these outputs has several shards, and a shard takes at least three steps of its task.
    assert sharded <= locked.keys() and steps > 3 * 2 * len(sharded)
