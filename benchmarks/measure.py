"""Seconds, processor seconds and peak memory, for the other benchmarks."""

import contextlib
import io
import multiprocessing
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple


class Measured(NamedTuple):
    """`seconds`, processor seconds `cpu` (with child processes), `peak` MiB of the process itself, and what was
    returned."""

    seconds: float
    cpu: float
    peak: float
    result: Any = None


def measured(function: Callable[..., Any], *arguments: Any) -> Measured:
    """`function` in a process of its own, its progress unseen."""
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        return pool.apply(_measured, (function, arguments))


def best_in_turn(repeats: int, *calls: tuple[Any, ...]) -> list[Measured]:
    """The fastest run of each (function, arguments...); in turn, so that what else the machine does meets all alike."""
    rounds = [[measured(*call) for call in calls] for _ in range(repeats)]
    return [
        Measured(*(min(run[place] for run in runs) for place in range(3)), runs[0].result)
        for runs in zip(*rounds, strict=True)
    ]


def cpu_seconds() -> float:
    """Of this process and of its children that have ended."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def peak_mib() -> float:
    """Most memory this process has held. Not ru_maxrss, which begins with that of the process that started this one."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def _measured(function: Callable[..., Any], arguments: tuple[Any, ...]) -> Measured:
    # In a pool's process children are not allowed, but the English filter has some.
    multiprocessing.current_process()._config["daemon"] = False  # type: ignore[attr-defined]
    start, before = time.perf_counter(), cpu_seconds()
    with contextlib.redirect_stderr(io.StringIO()):
        result = function(*arguments)
    return Measured(time.perf_counter() - start, cpu_seconds() - before, peak_mib(), result)
