"""The same bytes on each processor in profiles/, and the former flags and products that gave others.

    make test-processors PROCESSORS="processors and not slow"       # 5 minutes on two cores

The runs start in the background, as many at once as there are cores."""

import os
import platform
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import pytest

from tests.processors.identity import NATIVE, PROFILES, missing_tools, run_module

pytestmark = [
    pytest.mark.processors,
    pytest.mark.timeout(3600),  # a test waits for the runs started before its own
    pytest.mark.skipif(platform.machine() != "x86_64", reason="only x86-64 processors have cpuid"),
    pytest.mark.skipif(bool(missing_tools()), reason=missing_tools()),
]
FINGERPRINTS = ("tests.processors.fingerprints", "--steps", "2", "--model", "num_hidden_layers=1")
ON_A_MESH = (*FINGERPRINTS, "--mesh", "fsdp=2,tensor=2", "trainings")
OPERATIONS = "tests.processors.operations"
# Each of the others is similar to one of these.
MAIN = {"zen2", "zen4", "haswell", "skl", "skx", "adl", "nocache"}
NAMES = {"zen2": "znver2", "zen5": "znver5", "haswell": "haswell", "skl": "skylake", "adl": "alderlake"}  # LLVM's
LONGEST = "test_all_fingerprints"
Printed = Callable[..., dict[str, str]]


@pytest.fixture(scope="module")
def printed(request: pytest.FixtureRequest) -> Iterator[Printed]:
    """(processor, module, arguments) -> the printed names and values; caches each run."""
    pool = ThreadPoolExecutor(len(os.sched_getaffinity(0)))
    start = cache(lambda *run: pool.submit(run_module, *run))
    chosen = [item.callspec.params["name"] for item in request.session.items if item.name.startswith(LONGEST)]
    for name in [NATIVE, *chosen] if chosen else []:
        start(name, *FINGERPRINTS)
    yield lambda *run: dict(line.rsplit(maxsplit=1) for line in start(*run).result().splitlines())
    pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize(
    "name", [name if name in MAIN else pytest.param(name, marks=pytest.mark.slow) for name in PROFILES]
)
def test_all_fingerprints(printed: Printed, name: str) -> None:
    native = printed(NATIVE, *FINGERPRINTS)
    assert {"base_model/model/model.safetensors", "imported/curve.csv", "sampled texts", "embeddings"} <= set(native)
    assert printed(name, *FINGERPRINTS) == native


@pytest.mark.parametrize("name", ["zen2", "adl"])
def test_a_mesh_of_forced_cpu_devices(printed: Printed, name: str) -> None:
    assert printed(name, *ON_A_MESH) == printed(NATIVE, *ON_A_MESH)


@pytest.mark.parametrize("name", sorted(NAMES))
def test_jaxlib_sees_another_processor(printed: Printed, name: str) -> None:
    assert printed(name, OPERATIONS, "")["processor"] == NAMES[name]


def test_former_flags_and_products_differ_between_processors(printed: Printed) -> None:
    """The same comparison detects the differences that the project once had."""
    before = [printed(name, OPERATIONS, "--xla_cpu_max_isa=AVX2") for name in ("zen2", "adl", "skx", "nocache")]
    assert len({results["x.T @ dy"] for results in before}) > 1
    assert len({results["rsqrt"] for results in before}) > 1 or not _has_sse4a()


def _has_sse4a() -> bool:
    """Whether LLVM generates another rsqrt for AMD's processors here, which it recognizes by this feature."""
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        return " sse4a " in file.read()
