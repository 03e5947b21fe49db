"""The training curve: a CSV, without wall-clock values, that DVC plots and MLflow imports."""

import csv
from collections.abc import Sequence
from pathlib import Path

Row = dict[str, float | int | None]

COLUMNS = (
    "step",  # optimizer steps done; row 0 is before the first
    "tokens",  # tokens read so far, without padding
    "loss",  # nats per target on the step's batch, before its update
    "learning_rate",
    "gradient_norm",  # before clipping
    "update_norm",
    "loss_z",  # standard deviations above the mean of the `anomaly.window` steps before
    "gradient_norm_z",
    "update_norm_z",
    "spike",  # 1: the loss was above the limit
    "skipped",  # 1: the step changed nothing
    "heldout_code_loss",  # nats per token, after the step's update; empty if not measured
    "heldout_text_loss",
)


def source_column(source: str) -> str:
    """Column of the loss on one source: nats per target over the steps since the last row that has a value."""
    return f"loss_{source}"


def write_curve(path: Path, rows: list[Row], sources: Sequence[str] = ()) -> None:
    """Write the rows, with a column for each source. Floats have 9 digits, enough to tell any two float32 apart."""
    columns = [*COLUMNS, *map(source_column, sources)]
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        for row in rows:
            writer.writerow(_cell(row.get(column)) for column in columns)


def _cell(value: float | int | None) -> str:
    if value is None:
        return ""
    return str(value) if isinstance(value, int) else f"{value:.9g}"
