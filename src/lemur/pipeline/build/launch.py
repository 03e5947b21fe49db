"""Stages that run as several processes, one a host: started by the machine's own launcher, joined by `jax.distributed`.

A stage that can do so says `DISTRIBUTED = True` beside its `Params`. On one machine nothing is needed.
"""

import os
import shlex
import subprocess
import sys
from pathlib import Path

LAUNCHED = "LEMUR_LAUNCHED"


def relaunch(arguments: list[str]) -> bool:
    """Run `lemur ARGUMENTS` through LEMUR_LAUNCH (`srun --ntasks-per-node=1`, say) and wait. False where it is not set,
    or this process is one that it started.

    Raises `SystemExit` if it fails: all processes of a training end together, and go on together from the last save.
    """
    launcher = os.environ.get("LEMUR_LAUNCH", "")
    if not launcher or LAUNCHED in os.environ:
        return False
    command = [*shlex.split(launcher), sys.executable, "-m", "lemur", *arguments]
    # LEMUR_JOB is a process of this host.
    environment = {name: value for name, value in os.environ.items() if name != "LEMUR_JOB"}
    try:
        code = subprocess.call(command, env={**environment, LAUNCHED: "1"})
    except OSError as error:
        raise SystemExit(f"LEMUR_LAUNCH is {launcher!r}, which cannot be run: {error}") from None
    if code:
        raise SystemExit(
            f"LEMUR_LAUNCH: {shlex.join(command)} ended with {code}; the processes' own messages are above"
        )
    return True


def processes() -> int:
    """How many processes share this stage, as far as the environment says: 1 where none was launched."""
    if LAUNCHED not in os.environ:
        return 1
    return int(os.environ.get("LEMUR_PROCESSES") or os.environ.get("SLURM_NTASKS") or 1)


def join() -> int:
    """Meet the other processes, after the numerics are set. Returns this one's index, 0 where it is alone.

    LEMUR_COORDINATOR (HOST:PORT), LEMUR_PROCESSES and LEMUR_PROCESS say who they are; without them JAX finds out by
    itself on Slurm, TPU pods, Kubernetes and under Open MPI.
    """
    if LAUNCHED not in os.environ:
        return 0
    import jax

    names = ("LEMUR_COORDINATOR", "LEMUR_PROCESSES", "LEMUR_PROCESS")
    given = [os.environ.get(name) for name in names]
    if all(given):
        jax.distributed.initialize(given[0], int(given[1] or 0), int(given[2] or 0))
    elif any(given):
        raise SystemExit(f"of {', '.join(names)} all or none must be set; found {given}")
    else:
        jax.distributed.initialize()
    return jax.process_index()


def wait_for_all(what: str) -> None:
    """Until every process is here; the first one alone writes outputs, and none may end before it has."""
    if LAUNCHED in os.environ:
        from jax.experimental import multihost_utils

        multihost_utils.sync_global_devices(what)


def scratch(partial: Path, index: int) -> Path:
    """Where process `index` writes what the first one writes to `partial`."""
    return partial.with_name(f"{partial.name}.{index}") if index else partial
