"""Speed and memory of a training that ran in this checkout, from its live log: measured, so never in an artifact."""

import math
from pathlib import Path

from lemur.core.records import read_jsonl

LIVE = Path(".lemur/live")
TAG = "lemur.measured"
HERE, ELSEWHERE = "in this checkout", "not here: the training came from a cache, or ran elsewhere"
COLUMNS = {
    "tokens_per_second": "system/tokens_per_second",
    "seconds": "system/seconds_per_step",
    "cpu_percent": "system/cpu_percent",
    "peak_memory_mib": "system/peak_memory_mib",
}


def measured(root: Path, model: str, curve: list[tuple[str, float, int]]) -> list[tuple[str, float, int]]:
    """Speed and memory by step, named as MLflow names system metrics; none unless the live log has this very curve's
    losses (training.monitoring.live).

    A log that lacks steps, because the training was resumed, has no total.
    """
    path = root / LIVE / f"{model}.jsonl"
    losses = {step: value for name, value, step in curve if name == "loss"}
    try:
        rows = list(read_jsonl(path)) if path.is_file() else []
        if not rows or any(
            not math.isclose(losses.get(row["step"], math.nan), row["loss"], rel_tol=1e-6) for row in rows
        ):
            return []
        values = [(name, float(row[key]), int(row["step"])) for row in rows for key, name in COLUMNS.items()]
        if {row["step"] for row in rows} == set(losses):
            values.append(("system/training_seconds", sum(row["seconds"] for row in rows), max(losses)))
    except (KeyError, TypeError, ValueError):  # of a training that is running, or was killed
        return []
    return values
