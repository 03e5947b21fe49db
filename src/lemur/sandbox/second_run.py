"""Judges many programs so that no verdict hangs on how fast this machine is: what timed out runs once more, alone and
with more room, and only then has timed out (docs/sandbox.md)."""

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar

from lemur.sandbox.backend import layers

ROOM = 5
"""How many times its first limit a program gets in its second run."""

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
    """`judge(job, seconds)` of each job, in their order: first with `timeout_s`, `at_once` at the same time; when these
    have ended, one by one, those that timed out, with `ROOM` times as much.

    A verdict could differ elsewhere only if the program needs about as much as the last limit. Whatever took more than
    half of it is logged by its name, by default its number, and so is what timed out.
    """
    layers()  # once, not in every thread
    with ThreadPoolExecutor(at_once) as pool:
        verdicts = list(pool.map(lambda job: judge(job, timeout_s), jobs))
    last_limit = ROOM * timeout_s
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
