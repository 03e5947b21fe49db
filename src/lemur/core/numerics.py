"""environment.yaml: the library versions and the numerics profile that decide bytes, and the check that they hold."""

import os
import sys
from typing import Any

from lemur.core.files import ENVIRONMENT, ROOT, read_yaml
from lemur.core.versions import extras, installed

NUMERICS = "numerics"


# XLA reads NPROC as the size of its thread pool; JAX's bits on CPU depend on it (jax-ml/jax#39741 and design.md).
# A numerics profile with 0 threads leaves the pool to XLA, as accelerators do.
def apply_numerics(numerics: dict[str, Any] | None, devices: int = 1) -> None:
    """Set what decides JAX's bits, before JAX is imported. Raises `RuntimeError` if it already was.

    None is for a stage that does not declare the profile, hence must not depend on it: NumPy gets one thread.
    devices: of a mesh in this process; a CPU is then cut into so many.
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
    # Base, Lemur and Lemur-Chat are asked by the same programs: compiled once (13 s of CPU).
    # JAX's key holds the program, the flags and the versions, so what comes out is the same.
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(ROOT / ".lemur" / "compiled"))
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"


def check_packages(names: list[str]) -> None:
    """Compare installed versions of distributions with environment.yaml. Raises `SystemExit` where they differ.

    An extra (torch) that is not installed is no difference: the stage says so itself if its parameters need it."""
    recorded = read_yaml(ENVIRONMENT)["packages"]
    problems = [
        f"environment.yaml: packages.{name}: {recorded.get(name, 'nothing')} recorded, {installed(name)} installed"
        for name in names
        if recorded.get(name) != installed(name) and not (installed(name) is None and name in extras())
    ]
    if problems:
        raise SystemExit(
            "\n".join(problems) + "\nInstall what is recorded (`make setup`), or record what is installed "
            "(`lemur dependencies --write`); only the stages that use these libraries will then run again."
        )
