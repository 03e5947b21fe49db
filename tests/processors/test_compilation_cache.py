"""JAX's compilation cache: a processor never uses the entries of another."""

import platform
from pathlib import Path

import pytest

from tests.processors.identity import missing_tools, run_module

pytestmark = [
    pytest.mark.processors,
    pytest.mark.skipif(platform.machine() != "x86_64", reason="only x86-64 processors have cpuid"),
    pytest.mark.skipif(bool(missing_tools()), reason=missing_tools()),
]
PROGRAMS = 2  # compiled by the module `operations`


@pytest.mark.parametrize("flags", ["--xla_cpu_max_isa=AVX2", "--xla_cpu_max_isa=AVX"])
def test_each_processor_has_its_own_entries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: str) -> None:
    monkeypatch.setenv("JAX_ENABLE_COMPILATION_CACHE", "true")
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")

    def entries(name: str) -> int:
        """The number of cache entries after a run as this processor."""
        run_module(name, "tests.processors.operations", flags)
        return len(list(tmp_path.glob("*-cache")))

    assert [entries(name) for name in ("zen2", "haswell", "adl")] == [PROGRAMS, 2 * PROGRAMS, 3 * PROGRAMS]
    assert entries("haswell") == 3 * PROGRAMS  # uses its own
