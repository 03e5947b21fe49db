"""What /proc says of processes that run or have just ended: whether they sleep, and the processor time they took."""

import os
from pathlib import Path

BUSY = (b"R", b"D")
"""States of a thread that runs, waits for a processor, or waits for a disk: the machine decides how long."""


def asleep(pid: int) -> bool:
    """Whether every thread of process `pid` and of its descendants waits for something that no busy machine delays.

    False where a process ended while it was looked at, since it ran just now, and on kernels that do not list children.
    """
    processes = [pid]
    try:
        while processes:
            for task in Path(f"/proc/{processes.pop()}/task").iterdir():
                if _fields(task)[0] in BUSY:
                    return False
                processes += map(int, (task / "children").read_bytes().split())
    except (FileNotFoundError, ProcessLookupError):
        return False
    return True


def cpu_seconds(pid: int) -> float:
    """Processor seconds of a process, living or not yet reaped, and of the children that it reaped."""
    return sum(map(int, _fields(Path(f"/proc/{pid}"))[11:15])) / os.sysconf("SC_CLK_TCK")


def _fields(process: Path) -> list[bytes]:
    """What follows the command's name, which may hold blanks and brackets: first the state (proc_pid_stat(5))."""
    return (process / "stat").read_bytes().rpartition(b")")[2].split()
