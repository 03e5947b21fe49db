"""Runs a stage as several processes, one per host: the machine's launcher starts them, `jax.distributed` joins them.

A stage that supports this sets `DISTRIBUTED = True` beside its `Params`. A single machine needs no setup.
"""

import os
import shlex
import subprocess
import sys
from pathlib import Path

LAUNCHED = "LEMUR_LAUNCHED"


def relaunch(arguments: list[str]) -> bool:
    """Run `lemur ARGUMENTS` through LEMUR_LAUNCH (such as `srun --ntasks-per-node=1`) and wait.

    Returns False if LEMUR_LAUNCH is not set or this process was started by it.

    Raises `SystemExit` if it fails: all processes of a training end together and resume together from the last save.
    """
    launcher = os.environ.get("LEMUR_LAUNCH", "")
    if not launcher or LAUNCHED in os.environ:
        return False
    command = [*shlex.split(launcher), sys.executable, "-m", "lemur", *arguments]
    # LEMUR_JOB is the id of a process on this host.
    environment = {name: value for name, value in os.environ.items() if name != "LEMUR_JOB"}
    try:
        code = subprocess.call(command, env={**environment, LAUNCHED: "1"})
    except OSError as error:
        raise SystemExit(f"LEMUR_LAUNCH is {launcher!r}, which cannot be run: {error}") from None
    if code:
        raise SystemExit(
            f"LEMUR_LAUNCH: {shlex.join(command)} exited with status {code}; the processes' own messages are above"
        )
    return True


def processes() -> int:
    """How many processes share this stage according to the environment: 1 if it was not launched."""
    if LAUNCHED not in os.environ:
        return 1
    return int(os.environ.get("LEMUR_PROCESSES") or os.environ.get("SLURM_NTASKS") or 1)


def join() -> int:
    """Join the other processes, after the numerics are set. Returns this process's index, 0 if it is alone.

    LEMUR_COORDINATOR (HOST:PORT), LEMUR_PROCESSES and LEMUR_PROCESS identify them; without these variables JAX detects
    Slurm, TPU pods, Kubernetes and Open MPI by itself.
    """
    if LAUNCHED not in os.environ:
        return 0
    import jax

    names = ("LEMUR_COORDINATOR", "LEMUR_PROCESSES", "LEMUR_PROCESS")
    values = [os.environ.get(name) for name in names]
    if all(values):
        jax.distributed.initialize(values[0], int(values[1] or 0), int(values[2] or 0))
    elif any(values):
        raise SystemExit(f"set all or none of {', '.join(names)}; found {values}")
    else:
        jax.distributed.initialize()
    return jax.process_index()


def wait_for_all(barrier: str) -> None:
    """Wait until every process gets here: only the first one writes outputs, and none must exit before it has."""
    if LAUNCHED in os.environ:
        from jax.experimental import multihost_utils

        multihost_utils.sync_global_devices(barrier)


def scratch(partial: Path, index: int) -> Path:
    """Where process `index` writes; the first one writes to `partial` itself."""
    return partial.with_name(f"{partial.name}.{index}") if index else partial
