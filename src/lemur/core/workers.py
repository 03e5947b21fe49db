"""How many processes a stage may use, and how they end. The count must never change a byte of an artifact."""

import ctypes
import os
import select
import signal
import threading

PR_SET_PDEATHSIG = 1


def count() -> int:
    """`LEMUR_WORKERS` if set (the Snakefile sets it to the rule's threads), else the cores this process may use."""
    value = os.environ.get("LEMUR_WORKERS", "")
    if not value:
        return len(os.sched_getaffinity(0))
    if not value.isdigit() or int(value) < 1:
        raise SystemExit(f"LEMUR_WORKERS is {value!r}; it must be a whole number, at least 1")
    return int(value)


def end_with_parent() -> None:
    """Ask the kernel to end this process when its parent ends. Every worker calls this first."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def end_with(pid: int) -> None:
    """End this process when process `pid` ends, or at once if it already has. `pid` may be any ancestor, with shells in
    between."""
    try:
        ancestor = os.pidfd_open(pid)
    except ProcessLookupError:
        raise SystemExit("the process that started this stage is gone") from None

    def wait() -> None:
        select.select([ancestor], [], [])
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, daemon=True).start()
