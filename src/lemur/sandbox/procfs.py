"""Reads from /proc whether processes sleep and how much processor time they took."""

import contextlib
import os
from pathlib import Path

BUSY = (b"R", b"D")
"""States of a thread that runs, waits for a processor or waits for a disk; how long depends on the machine."""


def is_asleep(pid: int) -> bool:
    """Whether all threads of process `pid` and its descendants wait for something that a busy machine does not delay.

    False if a process ended during the check, since it was running just now, and on kernels that do not list children.
    """
    waiting = [pid]
    try:
        while waiting:
            for task in Path(f"/proc/{waiting.pop()}/task").iterdir():
                if _stat_fields(task)[0] in BUSY:
                    return False
                waiting += map(int, (task / "children").read_bytes().split())
    except (FileNotFoundError, ProcessLookupError):
        return False
    return True


def descendants(pid: int) -> list[int]:
    """The processes below `pid`, parents first; none on kernels that do not list children."""
    found = [pid]
    for parent in found:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            for task in Path(f"/proc/{parent}/task").iterdir():
                found += map(int, (task / "children").read_bytes().split())
    return found[1:]


def cpu_seconds(pid: int) -> float:
    """Processor seconds of a process, running or not yet reaped, and of the children that it reaped."""
    return sum(map(int, _stat_fields(Path(f"/proc/{pid}"))[11:15])) / os.sysconf("SC_CLK_TCK")


def _stat_fields(process: Path) -> list[bytes]:
    """The fields after the command's name, which may contain blanks and brackets; the state comes first
    (proc_pid_stat(5))."""
    return (process / "stat").read_bytes().rpartition(b")")[2].split()
