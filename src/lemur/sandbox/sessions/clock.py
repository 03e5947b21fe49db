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
    processor or for a tool counts only for tools that never end."""

    def __init__(self, process: int, seconds: int) -> None:
        self.process, self.seconds = process, seconds
        self.cpu_before: float | None = None
        self.cpu_s = self.asleep_s = 0.0
        self.rung = False
        self.checked = time.monotonic()
        self.deadline = self.checked + WALL_PER_CPU * seconds

    def count(self, happened: bool) -> None:
        """Raises `Ended` when the time after the alarm is over. A silent tick counts once, however long it took."""
        now = time.monotonic()
        if now - self.checked < TICK_S:
            return
        self.checked = now
        if not happened and is_asleep(self.process):
            self.asleep_s += TICK_S
        cpu_s = sum(map(cpu_of, [self.process, *descendants(self.process)]))
        self.cpu_before = cpu_s if self.cpu_before is None else self.cpu_before
        self.cpu_s = max(self.cpu_s, cpu_s - self.cpu_before)
        if self.used > self.seconds + GRACE_S or now > self.deadline:
            raise Ended(f"a cell went on after its limit of {self.seconds} seconds")

    @property
    def used(self) -> float:
        return self.cpu_s + self.asleep_s

    def rings(self) -> bool:
        """Whether the limit has been reached, once."""
        rings, self.rung = self.used > self.seconds and not self.rung, self.rung or self.used > self.seconds
        return rings

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
