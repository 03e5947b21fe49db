"""Judges many programs so that no verdict depends on this machine's speed: a program that timed out runs once more,
alone and with more time, and only that run decides (docs/sandbox.md)."""

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar

from lemur.sandbox.backend import layers

RETRY_FACTOR = 5
"""The limit of the second run, as a multiple of the first."""

log = logging.getLogger(__name__)


class Verdict(Protocol):
    @property
    def status(self) -> str: ...
    @property
    def cpu_s(self) -> float: ...


Job = TypeVar("Job")
SomeVerdict = TypeVar("SomeVerdict", bound=Verdict)


def judge_all(
    jobs: Sequence[Job],
    judge: Callable[[Job, int], SomeVerdict],
    *,
    names: Sequence[str] | None = None,
    timeout_s: int,
    at_once: int,
) -> list[SomeVerdict]:
    """`judge(job, seconds)` for each job, in order. First all run with `timeout_s`, `at_once` at the same time; then
    those that timed out run one by one with `RETRY_FACTOR` times as much.

    A verdict could differ on another machine only if the program needs about as much time as the last limit. Programs
    that took more than half of it, or timed out, are logged by name, by default their number.
    """
    layers()  # test the machine once, not in every thread
    with ThreadPoolExecutor(at_once) as pool:
        verdicts = list(pool.map(lambda job: judge(job, timeout_s), jobs))
    last_limit = RETRY_FACTOR * timeout_s
    for index, job in enumerate(jobs):
        if verdicts[index].status == "timed_out":
            verdicts[index] = judge(job, last_limit)
    named = list(zip(names or map(str, range(len(jobs))), verdicts, strict=True))
    if near := [name for name, verdict in named if verdict.status != "timed_out" and verdict.cpu_s > last_limit / 2]:
        log.warning(
            "%d programs took more than half of %d processor seconds, so a slower machine may judge otherwise: %s",
            len(near),
            last_limit,
            ", ".join(near),
        )
    if late := [name for name, verdict in named if verdict.status == "timed_out"]:
        log.info("%d programs timed out, with %d seconds alone too: %s", len(late), last_limit, ", ".join(late))
    return verdicts
