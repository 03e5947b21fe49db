import os
import tempfile
from pathlib import Path

import jax
import pytest

from tests.tools import session_folder
from tests.training.builders import write_inputs


@pytest.fixture(scope="session")
def inputs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inputs")
    write_inputs(folder)
    return folder


@pytest.fixture(scope="session", autouse=True)
def compilation_cache(tmp_path_factory):
    """Tests train the same tiny models many times; each program is compiled once, for all processes of `pytest -n`."""
    jax.config.update("jax_compilation_cache_dir", str(session_folder(tmp_path_factory) / "compiled"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    yield
    jax.config.update("jax_compilation_cache_dir", None)


@pytest.fixture(autouse=True)
def checkpoints(monkeypatch):
    """Each test has its own checkpoint folder, in memory where possible, since each save waits for the disk some
    twenty times."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as folder:
        monkeypatch.setenv("LEMUR_CHECKPOINTS", f"{folder}/checkpoints")
        yield Path(folder) / "checkpoints"
