"""Training curves: the three trainings' loss, held-out loss on code and text, and learning rate."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from lemur.pages.figures import CODE, GREY, TEXT, picture, write_reason
from lemur.pages.page_parts import Cell, Column, Missing, Table
from lemur.reporting.inputs import MODELS, Curve, Inputs, points

LINES = {
    "loss": ("training", GREY),
    "heldout_code_loss": ("held-out code", CODE),
    "heldout_text_loss": ("held-out text", TEXT),
}

STEPS = 10
"""Steps over which the training loss is averaged: a single batch of a small training is too noisy."""


def table(inputs: Inputs) -> Table:
    """Every loss at the start and at the end, and the tokens seen."""
    columns = [Column("model", "Training"), Column("steps", "Steps"), Column("tokens", "Tokens")]
    for key, (head, _) in LINES.items():
        columns += [Column(f"{key}_first", f"{head}, first", 3), Column(f"{key}_last", "last", 3)]
    rows: list[dict[str, Cell]] = []
    for model, title in MODELS.items():
        curve = inputs.curves.get(model, {})
        steps, tokens = points(curve, "step")[1], points(curve, "tokens")[1]
        row: dict[str, Cell] = {"model": title}
        row["steps"] = (
            int(steps[-1]) if steps else Missing("no training: the weights were imported, or nothing has run")
        )
        row["tokens"] = int(tokens[-1]) if tokens else None
        for key in LINES:
            values = points(curve, key)[1]
            if values:
                first, last = (values[0], values[-1]) if key != "loss" else (values[:STEPS], values[-STEPS:])
                row |= {f"{key}_first": float(np.mean(first)), f"{key}_last": float(np.mean(last))}
        rows.append(row)
    note = f"Losses in nats per token. Training loss: the mean over the first and the last {STEPS} steps."
    return Table(columns, rows, [note])


def plotted(curve: Curve) -> dict[str, str]:
    """The losses as CSV for `dvc plots`, {name: file}, without the steps that lack one: it would plot zero there."""
    steps, losses = points(curve, "loss")
    windows = [slice(start, start + STEPS) for start in range(0, len(steps), STEPS)]
    means = [(steps[window][-1], float(np.mean(losses[window]))) for window in windows]
    measured = {kind: dict(zip(*points(curve, f"heldout_{kind}_loss"), strict=True)) for kind in ("code", "text")}
    held_out = [
        (step, loss, measured["text"][step]) for step, loss in measured["code"].items() if step in measured["text"]
    ]
    return {"training": _csv("step,loss", means), "held_out": _csv("step,code,text", held_out)}


def _csv(head: str, rows: Sequence[tuple[float, ...]]) -> str:
    lines = [f"{step:.0f}," + ",".join(f"{loss:.6g}" for loss in losses) for step, *losses in rows]
    return "\n".join([head, *lines]) + "\n"


def draw(inputs: Inputs, path: Path) -> None:
    """Plot one column per training: losses above, learning rate below, over the steps."""
    with picture(path, 11, 5.2, "Training: loss (above) and learning rate (below)") as figure:
        grid = figure.subplots(2, len(MODELS), sharex="col", height_ratios=[3, 1], squeeze=False)
        for column, (model, title) in enumerate(MODELS.items()):
            above, below = grid[0][column], grid[1][column]
            curve = inputs.curves.get(model, {})
            above.set_title(title)
            if not points(curve, "loss")[0]:
                write_reason(above, "not trained here")
                below.set_axis_off()
                continue
            _losses(above, curve)
            below.plot(*points(curve, "learning_rate"), color="#444444", linewidth=1.2)
            below.set_ylim(bottom=0)
            below.ticklabel_format(axis="y", style="sci", scilimits=(0, 0), useMathText=True)
            below.set_xlabel("step")
            if column == 0:
                above.set_ylabel("loss, nats per token")
                below.set_ylabel("learning rate")
        entries = {
            label: line for axes in grid[0] for line, label in zip(*axes.get_legend_handles_labels(), strict=True)
        }
        if entries:
            figure.legend(list(entries.values()), list(entries), loc="upper right", ncols=len(entries))


def _losses(axes: Axes, curve: Curve) -> None:
    ends = sorted(values[-1] for key in LINES if key != "loss" and (values := points(curve, key)[1]))
    for key, (label, color) in LINES.items():
        x, y = points(curve, key)
        if not y:
            continue
        measured = key != "loss"
        axes.plot(
            x,
            y,
            color=color,
            linewidth=1.6 if measured else 0.9,
            marker="o" if measured else None,
            markersize=3,
            label=label,
        )
        if measured:
            axes.annotate(
                f"{y[-1]:.2f}",
                (x[-1], y[-1]),
                (4, 4 if y[-1] == ends[-1] else -4),
                textcoords="offset points",
                va="center",
                fontsize=8,
                color=color,
            )
    axes.margins(x=0.12)
