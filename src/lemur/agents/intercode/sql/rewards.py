"""InterCode's reward for a query's rows, and the verdict by the strict rule."""

import math
from collections import Counter
from collections.abc import Sequence

Rows = list[tuple[object, ...]]
Result = Rows | str | None
"""Rows, the text of an error, or `None` for a statement without rows."""


def reward(shown: Result, gold: Result) -> float:
    """Intersection over union of the rows as bags of strings, times Kendall's tau of the shared rows where that is a
    number, rounded to two places (intercode/envs/sql/sql_env.py). Kept faults: a gold query that fails counts as no
    rows, so no rows are right then; the order always counts, tau can be negative, and one shared row scales nothing."""
    if not isinstance(shown, list):
        return 0.0
    ours = [str(row) for row in shown]
    theirs = [str(row) for row in gold] if isinstance(gold, list) else []
    counts, gold_counts = Counter(ours), Counter(theirs)
    union = (counts | gold_counts).total()
    if union == 0:
        return 1
    shared = counts & gold_counts
    ratio = shared.total() / union
    tau = kendall_tau(_only(ours, shared), _only(theirs, shared)) if shared else math.nan
    return ratio if math.isnan(tau) else round(tau * ratio, 2)


def right(shown: Result, gold: Result, *, ordered: bool) -> bool:
    """Equal bags of rows; in the same order if `ordered`. Nothing is right where the gold query fails."""
    if not isinstance(shown, list) or not isinstance(gold, list):
        return False
    ours, theirs = [str(row) for row in shown], [str(row) for row in gold]
    return ours == theirs if ordered else Counter(ours) == Counter(theirs)


def kendall_tau(first: Sequence[str], second: Sequence[str]) -> float:
    """Tau-b of two lists of strings; not a number if all of one list are equal."""
    if len(set(first)) < 2:
        return math.nan
    if first == second:
        return 1.0
    from scipy.stats import kendalltau  # takes a second to import, and most rows are in order

    ranks = {text: rank for rank, text in enumerate(sorted(set(first)))}
    return float(kendalltau([ranks[text] for text in first], [ranks[text] for text in second]).statistic)


def _only(rows: Sequence[str], shared: Counter[str]) -> list[str]:
    """The rows of `shared`, each as often as there, in the order of `rows`."""
    left = Counter(shared)
    kept = []
    for row in rows:
        if left[row] > 0:
            left[row] -= 1
            kept.append(row)
    return kept
