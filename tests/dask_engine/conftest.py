"""A Dask cluster on 127.0.0.1. `make dask-test`, not `make test`."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.dask_engine.cluster import DaskCluster


@pytest.hookimpl(tryfirst=True)  # before `-m` selects
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.dask)


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DaskCluster]:
    """A cluster without any process yet; LEMUR_ENGINE names it."""
    pytest.importorskip("distributed", reason="Dask is not installed: `make dask` installs it")
    folder = tmp_path / "dask"
    folder.mkdir()
    cluster = DaskCluster(folder)
    monkeypatch.setenv("LEMUR_ENGINE", f"dask:{cluster.file}")
    try:
        yield cluster
    finally:
        cluster.stop()
