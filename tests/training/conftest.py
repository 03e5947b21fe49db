import jax
import pytest

from tests.training.builders import write_inputs


@pytest.fixture(scope="session")
def inputs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inputs")
    write_inputs(folder)
    return folder


@pytest.fixture(scope="session", autouse=True)
def compiled_once(tmp_path_factory):
    """Tests train the same tiny models again and again: compile each program once."""
    jax.config.update("jax_compilation_cache_dir", str(tmp_path_factory.mktemp("compiled")))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    yield
    jax.config.update("jax_compilation_cache_dir", None)


@pytest.fixture(autouse=True)
def checkpoints(tmp_path, monkeypatch):
    """Checkpoints of a test lie in its own folder."""
    monkeypatch.setenv("LEMUR_CHECKPOINTS", str(tmp_path / "checkpoints"))
    return tmp_path / "checkpoints"
