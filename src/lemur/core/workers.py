"""How many processes a stage may use, and how they end. No count may ever change a byte of an artifact."""

import ctypes
import os
import select
import signal
import threading

PR_SET_PDEATHSIG = 1


def count() -> int:
    """`LEMUR_WORKERS` if set (the Snakefile sets it to the rule's threads), else the cores this process may use."""
    asked = os.environ.get("LEMUR_WORKERS", "")
    if not asked:
        return len(os.sched_getaffinity(0))
    if not asked.isdigit() or int(asked) < 1:
        raise SystemExit(f"LEMUR_WORKERS is {asked!r}; a whole number of at least 1 is allowed")
    return int(asked)


def end_with_parent() -> None:
    """Ask the kernel to end this process when its parent ends; the initializer of every pool of workers."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def end_with(pid: int) -> None:
    """End this process when another one does, an ancestor with shells in between too, or where it already has."""
    try:
        ancestor = os.pidfd_open(pid)
    except ProcessLookupError:
        raise SystemExit("the process that started this stage is gone") from None

    def wait() -> None:
        select.select([ancestor], [], [])
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, daemon=True).start()
