"""Seconds, CPU seconds and peak memory, for the other benchmarks."""

import contextlib
import io
import multiprocessing
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple


class Measurement(NamedTuple):
    """Elapsed `seconds`, CPU seconds `cpu` (including child processes), `peak` MiB of the process itself, and the
    function's `result`."""

    seconds: float
    cpu: float
    peak: float
    result: Any = None


def measure(function: Callable[..., Any], *arguments: Any) -> Measurement:
    """Run `function` in its own process, without its progress output."""
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        return pool.apply(_measure, (function, arguments))


def best_in_turn(repeats: int, *calls: tuple[Any, ...]) -> list[Measurement]:
    """The fastest run of each (function, arguments...). They take turns, so other load on the machine affects all."""
    rounds = [[measure(*call) for call in calls] for _ in range(repeats)]
    return [
        Measurement(*(min(run[field] for run in runs) for field in range(3)), runs[0].result)
        for runs in zip(*rounds, strict=True)
    ]


def cpu_seconds() -> float:
    """CPU seconds of this process and of its ended children."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def peak_mib() -> float:
    """Peak memory of this process. Not ru_maxrss, which starts at the value of the parent process."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def _measure(function: Callable[..., Any], arguments: tuple[Any, ...]) -> Measurement:
    # A pool's process must not have children, but the English filter starts some.
    multiprocessing.current_process()._config["daemon"] = False  # type: ignore[attr-defined]
    start, before = time.perf_counter(), cpu_seconds()
    with contextlib.redirect_stderr(io.StringIO()):
        result = function(*arguments)
    return Measurement(time.perf_counter() - start, cpu_seconds() - before, peak_mib(), result)
