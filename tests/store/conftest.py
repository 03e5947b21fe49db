"""A real S3 server for each test, with an empty bucket, and the toy project. `make store-test`, not `make test`."""

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pipeline.conftest import built as built  # the toy project, built
from tests.pipeline.conftest import project as project  # not built
from tests.store.s3_server import Store, served
from tests.tools import identity


@pytest.hookimpl(tryfirst=True)  # before `-m` selects
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.store)


@pytest.fixture(autouse=True)
def no_other_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No credentials of this machine, and no question about them to a cloud."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "HF_", "FSSPEC_"))]:
        monkeypatch.delenv(name)
    for name, value in identity().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path / "site"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture
def store() -> Iterator[Store]:
    pytest.importorskip("moto", reason="moto is not installed: `make store-test` installs it in .venv-store")
    with served() as store:
        yield store


@pytest.fixture
def bucket(store: Store) -> str:
    """The name of an empty bucket of this test's own: moto keeps its buckets as long as the process lives."""
    name = f"bucket-{uuid.uuid4().hex[:12]}"
    store.client.create_bucket(Bucket=name)
    return name
