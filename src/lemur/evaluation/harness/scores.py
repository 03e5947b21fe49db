"""Means with their standard errors, in lm-evaluation-harness's spelling."""

import math
from collections.abc import Iterable, Sequence

Scores = dict[str, float | None]
"""Values of `metric,rule` and `metric_stderr,rule`."""


def mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def standard_error(values: Sequence[float]) -> float | None:
    """Standard error of the mean from the sample variance, as in lm-evaluation-harness; `None` below two values."""
    if len(values) < 2:
        return None
    middle = mean(values)
    return math.sqrt(math.fsum((value - middle) ** 2 for value in values) / (len(values) - 1) / len(values))


def scored(metric: str, rule: str, values: Sequence[float]) -> Scores:
    """A metric and its standard error; both `None` without values."""
    return {f"{metric},{rule}": mean(values) if values else None, f"{metric}_stderr,{rule}": standard_error(values)}


def macro(metric: str, rule: str, groups: Sequence[Scores]) -> Scores:
    """The mean of a metric over groups (each from `scored`), and its standard error."""
    errors = [error for group in groups if (error := group[f"{metric}_stderr,{rule}"]) is not None]
    complete = len(errors) == len(groups)
    error = math.sqrt(math.fsum(error**2 for error in errors)) / len(errors) if complete else None
    return {f"{metric},{rule}": mean(group_values(metric, rule, groups)), f"{metric}_stderr,{rule}": error}


def group_values(metric: str, rule: str, groups: Sequence[Scores]) -> list[float]:
    """A metric's value in each group."""
    return [value for group in groups if (value := group[f"{metric},{rule}"]) is not None]


def metrics(keys: Iterable[str]) -> list[str]:
    """The names of the metrics in these keys of `Scores`."""
    names = dict.fromkeys(key.partition(",")[0] for key in keys)
    return [name for name in names if not name.endswith("_stderr")]


def pass_at_k(samples: int, correct: int, k: int) -> float:
    """Probability that at least one of k samples passes, drawn from `samples` of which `correct` pass: the unbiased
    estimator of Chen et al. (2021), equation 1.

    Computes 1 - C(n-c, k) / C(n, k) as a product, which stays accurate for large n. Raises `ValueError` if c > n or
    k > n."""
    if not 0 <= correct <= samples or not 1 <= k <= samples:
        raise ValueError(
            f"pass@{k} of {correct} correct in {samples} samples; 0 <= correct <= samples and 1 <= k <= samples"
        )
    if samples - correct < k:
        return 1.0
    miss = 1.0
    for i in range(samples - correct + 1, samples + 1):
        miss *= 1.0 - k / i
    return 1.0 - miss
