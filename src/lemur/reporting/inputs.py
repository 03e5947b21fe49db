"""The inputs of report and tracking: stage reports, training curves and evaluation results, checked once."""

import csv
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lemur.core.records import Record, read_json

MODELS = {"base": "Base", "lemur": "Lemur", "lemur_chat": "Lemur-Chat"}
"""The three models by file name, each trained from the previous one, with their titles."""
TRAININGS = {"base": "base_model", "lemur": "continued_pretraining", "lemur_chat": "instruction_tuning"}
"""The stage that trains each model; its block of params.yaml and its report have the same name."""

Curve = dict[str, list[float | None]]


@dataclass(frozen=True)
class Inputs:
    """`stages`: stage to report; `curves`: model to columns; `results`: model to benchmark to result; `baselines`:
    benchmark to the scores that need no model; `comparisons`: of two models on the same items."""

    stages: dict[str, Record]
    curves: dict[str, Curve]
    results: dict[str, dict[str, Record]]
    baselines: dict[str, Record] = field(default_factory=dict)
    comparisons: list[Record] = field(default_factory=list)


def load(stages: Path, curves: Path, results: Path) -> Inputs:
    """Read the three folders; missing folders and files are skipped.

    Raises `ValueError` that names a file that is not a JSON object, or a curve's file, line and column.
    """
    return Inputs(
        stages={path.stem: read_object(path) for path in sorted(stages.glob("*.json"))},
        curves={path.stem: read_curve(path) for path in sorted(curves.glob("*.csv"))},
        results=read_results(results),
        baselines={
            name: record
            for file in ("baselines.json", "agent_baselines.json")
            for name, record in _optional(results / file).get("baselines", {}).items()
        },
        comparisons=_optional(results / "comparisons.json").get("comparisons", []),
    )


def read_results(results: Path) -> dict[str, dict[str, Record]]:
    """Model to benchmark to result. Raises like `load`."""
    return {
        folder.name: {path.stem: read_object(path) for path in sorted(folder.glob("*.json"))}
        for folder in sorted(results.glob("*/"))
    }


def read_object(path: Path) -> Record:
    try:
        value: Any = read_json(path)
    except ValueError as error:
        raise ValueError(f"{path}: not JSON ({error}); rerun the stage that wrote it") from None
    if not isinstance(value, dict):
        raise ValueError(f"{path}: must be a JSON object, not a {type(value).__name__}; rerun the stage that wrote it")
    return value


def _optional(path: Path) -> Record:
    return read_object(path) if path.is_file() else {}


def read_curve(path: Path) -> Curve:
    """Columns of a training curve as floats, None for an empty or non-finite cell. A `step` column is required."""
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        names = reader.fieldnames or []
        if "step" not in names:
            raise ValueError(f"{path}:1: the columns are {list(names)}; one of them must be step")
        columns: Curve = {name: [] for name in names}
        for row in reader:
            for name in names:
                columns[name].append(_number(row[name], f"{path}:{reader.line_num}: {name}"))
    return columns


def points(curve: Curve, column: str) -> tuple[list[float], list[float]]:
    """Steps and values of `column` where both were measured; empty if the curve has no such column."""
    pairs = zip(curve.get("step", []), curve.get(column, []), strict=False)
    measured = [(x, y) for x, y in pairs if x is not None and y is not None]
    return [x for x, _ in measured], [y for _, y in measured]


def _number(cell: str | None, where: str) -> float | None:
    if cell is None or cell == "":
        return None
    try:
        value = float(cell)
    except ValueError:
        raise ValueError(f"{where} is {cell!r}; it must be a number or empty") from None
    return value if math.isfinite(value) else None
