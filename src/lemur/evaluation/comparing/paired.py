"""Two models compared on the same items: the difference of their scores, and whether it could be chance."""

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lemur.core.records import Record, read_jsonl

Cluster = Callable[[Record], str]


@dataclass(frozen=True)
class Comparison:
    """The first model's score minus the second's, over `items` items.

    `error`: standard error, clustered; `None` below two clusters. `better`, `worse`: items that only the first, only
    the second answered rightly. `p`: probability of a split as uneven as theirs if both were equally likely (McNemar's
    exact test, two-sided)."""

    items: int
    difference: float
    error: float | None
    clusters: int
    better: int
    worse: int
    p: float


def compare_samples(first: Path, second: Path, cluster: Cluster) -> dict[str, Comparison]:
    """Comparisons by rule (`metric,rule` if the samples have several metrics) of two files of samples of one benchmark.
    `cluster`: a sample's group of items that are alike. An item that is undecided for either model is left out.

    Raises `ValueError` that names items of only one file."""
    one, two = _items(first), _items(second)
    for has, lacks, here, there in ((two, one, second, first), (one, two, first, second)):
        if missing := [name for name in has if name not in lacks]:
            raise ValueError(
                f"{there}: no sample of {', '.join(missing[:3])} ({len(missing)} in all), which {here} has; both "
                "models must be asked the same items: use the same source, limit and seed for both"
            )
    comparisons = {}
    for rule in verdicts(next(iter(one.values()))[0]) if one else ():
        pairs = []
        for name, samples in one.items():
            scores = _score(samples, rule), _score(two[name], rule)
            if scores[0] is not None and scores[1] is not None:
                pairs.append((scores[0] - scores[1], cluster(samples[0])))
        if pairs:
            comparisons[rule] = compare(*zip(*pairs, strict=True))
    return comparisons


def compare(differences: Sequence[float], clusters: Sequence[str]) -> Comparison:
    """`differences`: first model minus second, per item; `clusters`: the cluster of each item."""
    better = sum(difference > 0 for difference in differences)
    worse = sum(difference < 0 for difference in differences)
    return Comparison(
        len(differences),
        math.fsum(differences) / len(differences),
        clustered_error(differences, clusters),
        len(set(clusters)),
        better,
        worse,
        mcnemar(better, worse),
    )


def clustered_error(values: Sequence[float], clusters: Sequence[str]) -> float | None:
    """Standard error of the mean of `values` that are independent only between clusters, with the small-sample factor
    G / (G - 1) for G clusters (Liang and Zeger, 1986; Miller, 2024, "Adding error bars to evals"). With one value per
    cluster it is the usual standard error. `None` below two clusters."""
    middle = math.fsum(values) / len(values)
    residuals: defaultdict[str, list[float]] = defaultdict(list)
    for value, cluster in zip(values, clusters, strict=True):
        residuals[cluster].append(value - middle)
    number = len(residuals)
    if number < 2:
        return None
    squares = math.fsum(math.fsum(members) ** 2 for members in residuals.values())
    return math.sqrt(squares * number / (number - 1)) / len(values)


def mcnemar(better: int, worse: int) -> float:
    """Two-sided p of McNemar's exact test. In whole numbers, so that every machine gives the same bits."""
    total = better + worse
    tail = sum(math.comb(total, count) for count in range(min(better, worse) + 1))
    return min(1.0, 2 * tail / 2**total)


def verdicts(sample: Record) -> dict[str, bool | None]:
    """Whether a recorded sample or episode is right, by rule, or by `metric,rule` if it has several metrics."""
    correct = sample["solved"] if "solved" in sample else sample.get("correct", {})
    if not isinstance(correct, Mapping):
        return {"none": correct}
    flat: dict[str, bool | None] = {}
    for name, value in correct.items():
        rules = (
            {f"{name},{rule}": each for rule, each in value.items()} if isinstance(value, Mapping) else {name: value}
        )
        flat |= rules
    return flat


def _items(path: Path) -> dict[str, list[Record]]:
    """The samples of each item; of episodes those with the most turns."""
    samples = list(read_jsonl(path))
    most = max((sample.get("turns_allowed", 0) for sample in samples), default=0)
    items: dict[str, list[Record]] = {}
    for sample in samples:
        if sample.get("turns_allowed", most) == most:
            items.setdefault(sample["id"], []).append(sample)
    return items


def _score(samples: Sequence[Record], rule: str) -> float | None:
    """The share of an item's answers that are right."""
    values = [verdicts(sample)[rule] for sample in samples]
    return None if None in values else sum(map(bool, values)) / len(values)
