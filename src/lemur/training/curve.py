"""The training curve: a CSV that DVC plots and MLflow is filled from, without wall-clock values."""

import csv
from pathlib import Path

Row = dict[str, float | int | None]

COLUMNS = (
    "step",  # optimizer steps done; row 0 is before the first
    "tokens",  # tokens seen so far, padding not counted
    "loss",  # nats a target, of the step's batch before its update
    "learning_rate",
    "gradient_norm",  # before clipping
    "update_norm",
    "heldout_code_loss",  # nats a token, after the step's update; empty where not measured
    "heldout_text_loss",
)


def write_curve(path: Path, rows: list[Row]) -> None:
    """Write the rows; floats with 9 digits, which tell any two float32 apart."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for row in rows:
            writer.writerow(_cell(row.get(column)) for column in COLUMNS)


def _cell(value: float | int | None) -> str:
    if value is None:
        return ""
    return str(value) if isinstance(value, int) else f"{value:.9g}"
