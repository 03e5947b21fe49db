"""Abnormal steps: measures how far a step deviates from those before it, and counts, skips or stops."""

import logging
import math
import statistics

from lemur.training.monitoring.curve import Row
from lemur.training.params import AnomalyParams

log = logging.getLogger(__name__)
WATCHED = ("loss", "gradient_norm", "update_norm")


def window(rows: list[Row], name: str, size: int) -> list[float]:
    """Values of the last `size` steps that were not skipped; empty while there are fewer."""
    values: list[float] = []
    for row in reversed(rows):
        value = row.get(name)
        if value is not None and not row.get("skipped"):
            values.append(float(value))
            if len(values) == size:
                return values
    return []


def z_scores(rows: list[Row], values: dict[str, float], size: int) -> dict[str, float]:
    """NAME_z: how many standard deviations each watched value is above the mean of the window before it."""
    scores = {}
    for name in WATCHED:
        before = window(rows, name, size)
        if before and (deviation := statistics.pstdev(before)) > 0 and math.isfinite(values[name]):
            scores[f"{name}_z"] = (values[name] - statistics.fmean(before)) / deviation
    return scores


def loss_limit(rows: list[Row], params: AnomalyParams) -> float:
    """A loss above this limit is a spike; infinite while there are too few steps to tell."""
    before = window(rows, "loss", params.window)
    return statistics.fmean(before) + params.spike_z * statistics.pstdev(before) if before else math.inf


def judge(rows: list[Row], row: Row, limit: float, params: AnomalyParams, where: str) -> None:
    """Mark `row`, the step after `rows`, with `spike` and `skipped`.

    Raises `FloatingPointError` with the step if params.yaml says to stop.
    """
    step = row["step"]
    bad = {name: row[name] for name in WATCHED if not math.isfinite(row[name] or 0.0)}
    spike = not bad and (row["loss"] or 0.0) > limit
    row["spike"] = int(spike)
    row["skipped"] = int((bool(bad) and params.not_finite == "skip") or (spike and params.spike == "skip"))
    advice = f"Lower optimizer.peak_learning_rate, or inspect this step's batch: lemur inspect {step} --run STAGE"
    if bad and params.not_finite == "stop":
        raise FloatingPointError(f"step {step}: {bad}, training on {where}; no model was written. {advice}")
    if spike:
        log.warning(
            "step %s: the loss %.4f is above %.4f, a spike (anomaly.spike: %s)", step, row["loss"], limit, params.spike
        )
        if params.spike == "stop":
            raise FloatingPointError(
                f"step {step}: the loss {row['loss']:.4f} is above {limit:.4f} (anomaly.spike_z {params.spike_z}), "
                f"training on {where}; no model was written. {advice}"
            )
    if row["skipped"]:
        log.warning("skipped step %s: %s", step, bad or "a spike")
        last = rows[-params.most_skipped + 1 :] if params.most_skipped > 1 else []
        if sum(int(before.get("skipped") or 0) for before in last) == params.most_skipped - 1:
            raise FloatingPointError(
                f"step {step}: {params.most_skipped} steps in a row were skipped (anomaly.most_skipped), training on "
                f"{where}; no model was written. {advice}"
            )
