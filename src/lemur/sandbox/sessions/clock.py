"""The time of a cell, which must not depend on how busy the machine is."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from lemur.sandbox.limits import WALL_PER_CPU
from lemur.sandbox.process import TICK_S
from lemur.sandbox.procfs import cpu_seconds, descendants, is_asleep
from lemur.sandbox.sessions.channel import Ended

GRACE_S = 2.0
"""Seconds after the alarm until the session is killed."""


class Clock:
    """The time of a cell: processor seconds of all its processes, and time in which all of them slept. Waiting for a
    processor counts only towards a generous total, waiting for a tool not at all. `process`: bubblewrap's id."""

    def __init__(self, process: int, seconds: int) -> None:
        self.process, self.seconds = process, seconds
        self.cpu_before: float | None = None
        self.cpu_s = self.asleep_s = 0.0
        self.last: float | None = None
        """When the session ends, in seconds of the cell; set by the alarm."""
        self.checked = time.monotonic()
        self.deadline = self.checked + WALL_PER_CPU * seconds

    def rings(self, happened: bool) -> bool:
        """Count the time since the last check, and whether the limit is reached now. `happened`: something arrived in
        it. A silent tick counts once, however long it took. Raises `Ended` when the time after the alarm is over."""
        now = time.monotonic()
        if now - self.checked < TICK_S:
            return False
        self.checked = now
        if not happened and is_asleep(self.process):
            self.asleep_s += TICK_S
        cpu_s = sum(map(cpu_of, [self.process, *descendants(self.process)]))
        self.cpu_before = cpu_s if self.cpu_before is None else self.cpu_before
        self.cpu_s = max(self.cpu_s, cpu_s - self.cpu_before)
        used = self.cpu_s + self.asleep_s
        if now > self.deadline or (self.last is not None and used > self.last):
            raise Ended(f"a cell went on after its limit of {self.seconds} seconds")
        if self.last is not None or used <= self.seconds:
            return False
        self.last = used + GRACE_S
        return True

    @contextmanager
    def paused(self) -> Iterator[None]:
        before = time.monotonic()
        yield
        spent = time.monotonic() - before
        self.deadline += spent
        self.checked += spent


def cpu_of(pid: int) -> float:
    try:
        return cpu_seconds(pid)
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
