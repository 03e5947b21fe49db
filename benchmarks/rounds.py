"""Comparisons in alternating rounds, and a verdict only where the noise permits one."""

import os
import re
import statistics
from collections.abc import Callable, Mapping
from typing import NamedTuple

Rates = dict[str, list[float]]
"""By side, a rate for each round."""


class Ratio(NamedTuple):
    """Of the rates of two sides, round by round: the median, the lowest and the highest."""

    median: float
    low: float
    high: float

    def verdict(self, bound: float) -> str:
        """`yes` or `no` if all rounds agree whether the bound is reached, else `unclear`."""
        return "yes" if self.low >= bound else "no" if self.high < bound else "unclear"

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.low:.2f} to {self.high:.2f})"


def alternate(sides: Mapping[str, Callable[[], float]], rounds: int) -> Rates:
    """Each side's rate in each round. The sides take turns, in reversed order in every other round, so that neither a
    slow phase of the machine nor what the side before has left in the caches favours one."""
    rates: Rates = {name: [] for name in sides}
    for number in range(rounds):
        for name in list(sides)[:: 1 if number % 2 == 0 else -1]:
            rates[name].append(sides[name]())
    return rates


def best_of(rates: Rates) -> str:
    """The side with the highest median."""
    return max(rates, key=lambda name: statistics.median(rates[name]))


def ratio(ours: list[float], theirs: list[float]) -> Ratio:
    pairs = [our / their for our, their in zip(ours, theirs, strict=True)]
    return Ratio(statistics.median(pairs), min(pairs), max(pairs))


def machine() -> str:
    """Processor, instruction sets that matter for products, cores and load, for the head of a table."""
    from lemur.core import processor

    known = re.search(r"^flags\s*:(.*)$", processor.CPU_INFO.read_text(encoding="utf-8"), re.MULTILINE)
    flags = known[1].split() if known else []
    sets = [name for name in ("avx2", "avx512f", "amx_tile") if name in flags]
    cores = len(os.sched_getaffinity(0))
    return f"{processor.name()} ({', '.join(sets)}), {cores} cores, load {os.getloadavg()[0]:.1f} at the start"
