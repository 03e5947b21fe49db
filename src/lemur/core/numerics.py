"""Apply the numerics profile and check the library versions of environment.yaml: both decide an artifact's bytes."""

import os
import sys
from typing import Any

from lemur.core.files import ENVIRONMENT, ROOT, read_yaml
from lemur.core.versions import extras, installed

NUMERICS = "numerics"


def apply_profile() -> None:
    """Set what the numerics profile of environment.yaml says, for work outside of a stage."""
    apply_numerics(read_yaml(ENVIRONMENT)[NUMERICS])


# XLA takes the size of its thread pool from NPROC, and JAX's bits on a CPU depend on that size (jax-ml/jax#39741 and
# design.md). A profile with 0 threads, as for accelerators, leaves the size to XLA.
def apply_numerics(numerics: dict[str, Any] | None, devices: int = 1) -> None:
    """Set everything that decides JAX's bits. Raises `RuntimeError` if JAX was already imported.

    `numerics` is None for a stage that does not declare the profile and so must not depend on it: NumPy gets one
    thread. `devices`: size of the mesh in this process; JAX then splits the CPU into that many devices.
    """
    for threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[threads] = str((numerics and numerics["threads"]) or 1)
    if numerics is None:
        return
    if "jax" in sys.modules:
        raise RuntimeError("JAX was imported before its numerics were set; import it inside the stage's function")
    os.environ["JAX_PLATFORMS"] = numerics["platform"]
    os.environ["XLA_FLAGS"] = numerics["xla_flags"]
    if devices > 1 and numerics["platform"] == "cpu":
        os.environ["XLA_FLAGS"] += f" --xla_force_host_platform_device_count={devices}"
    os.environ["JAX_THREEFRY_PARTITIONABLE"] = "true"
    if numerics["threads"]:
        os.environ["NPROC"] = str(numerics["threads"])
    if numerics["platform"] == "cuda":
        # By default a GPU rounds the factors of a float32 product to TF32, which has 10 bits after the point.
        os.environ["JAX_DEFAULT_MATMUL_PRECISION"] = "highest"
    # The evaluations of base, Lemur and Lemur-Chat run the same programs, so compile them once (saves 13 s of CPU).
    # JAX's cache key covers the program, the flags and the versions, so the results do not change.
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(ROOT / ".lemur" / "compiled"))
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"


def check_packages(names: list[str]) -> None:
    """Compare installed versions of distributions with environment.yaml. Raises `SystemExit` if any differs.

    A missing extra (torch) does not count: a stage whose parameters need it reports that itself."""
    recorded = read_yaml(ENVIRONMENT)["packages"]
    problems = [
        f"environment.yaml: packages.{name}: {recorded.get(name, 'nothing')} recorded, {installed(name)} installed"
        for name in names
        if recorded.get(name) != installed(name) and not (installed(name) is None and name in extras())
    ]
    if problems:
        raise SystemExit(
            "\n".join(problems) + "\nInstall the recorded versions (`make setup`), or record the installed ones "
            "(`lemur dependencies --write`); then only the stages that use these libraries run again."
        )
