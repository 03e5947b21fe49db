"""Table 6: reasoning and code with and without a teacher's feedback, the paper's, rescored, and ours."""

from lemur.pages.page_parts import Cell, Column, Missing, Table
from lemur.reporting.agents.by_task import RULES
from lemur.reporting.agents.ours import ACTING, Share, remarks, share
from lemur.reporting.agents.published import MODELS as PUBLISHED
from lemur.reporting.agents.published import Published, Rescored
from lemur.reporting.inputs import MODELS, Inputs
from lemur.reporting.paper import Slip, Table6
from lemur.reporting.scores import opens

SETTINGS = {"alone": "no feedback", "feedback": "with feedback"}
Settings = dict[str, dict[str, Cell]]


def table(printed: Table6, published: Published, inputs: Inputs) -> Table:
    """Two rows a model and rule; `delta` (last group, with minus without) in the second. A slip that is marked so shows
    the number that its sentence finds, not the printed one."""
    columns = [Column("model", "Model"), Column("numbers", "Numbers"), Column("setting", "Feedback")]
    columns += [Column(group.key, group.name, 2) for group in printed.groups]
    columns += [Column("delta", "Δ feedback", 2), Column("episodes", "Episodes"), Column("open", "Turns")]
    keys = [group.key for group in printed.groups]
    rows: list[dict[str, Cell]] = []
    for row in printed.rows:
        settings: Settings = {"alone": dict(zip(keys, row.alone, strict=True))}
        if row.feedback is not None:
            settings["feedback"] = dict(zip(keys, row.feedback, strict=True)) | {"delta": row.delta}
        rows += _rows(row.model, "as printed", settings)
    slips = []
    for slip in printed.slips:
        at = next(i for i, row in enumerate(rows) if _is_of(row, slip))
        if slip.shown is not None:
            rows[at][slip.column] = slip.shown
        heads = {column.key: column.head for column in columns}
        where = f"{slip.row}, {SETTINGS[slip.setting or 'alone']}, {heads[slip.column]}"
        slips.append((at, slip.column, f"{where}: {slip.sentence()}"))
    rows += _rescored(keys, published)
    rows += [row for model in ACTING for row in _ours(model, keys, inputs)]
    notes = [
        "Success in percent over episodes; the paper's teacher is GPT-4. Rescored: the published episodes. Four printed "
        "cells of Lemur-70B-Chat cannot come from its published episodes; three show what follows from these (†).",
        *remarks(inputs, "mint"),
        *remarks(inputs, "mint_feedback"),
    ]
    return Table(columns, rows, notes, slips)


def _is_of(row: dict[str, Cell], slip: Slip) -> bool:
    return (row["model"], row["setting"]) == (slip.row, SETTINGS[slip.setting or "alone"])


def _rows(model: str, numbers: str, settings: Settings) -> list[dict[str, Cell]]:
    return [
        {"model": model, "numbers": numbers, "setting": SETTINGS[setting], "open": "", **cells}
        for setting, cells in settings.items()
    ]


def _rescored(keys: list[str], published: Published) -> list[dict[str, Cell]]:
    rows: list[dict[str, Cell]] = []
    for model in PUBLISHED:
        found = {
            name: {key: published.cell(model, key, feedback=name == "feedback") for key in keys} for name in SETTINGS
        }
        if not any(isinstance(cell, Rescored) for cells in found.values() for cell in cells.values()):
            continue
        for rule, title in RULES.items():
            settings = {name: _cells(cells, rule) for name, cells in found.items()}
            rows += _rows(model, f"rescored, {title}", _with_delta(settings, keys[-1]))
    if not rows:
        rows = _rows("The paper's models", "rescored", {"alone": dict.fromkeys(keys, published.missing)})
    return rows


def _ours(model: str, keys: list[str], inputs: Inputs) -> list[dict[str, Cell]]:
    stages = {"alone": "mint", "feedback": "mint_feedback"}
    parts = [*keys[:-1], ""]  # MINT's tasks here are those of the two groups; ALFWorld is a stage of its own
    found = {
        name: {key: share(inputs, model, stage, part) for key, part in zip(keys, parts, strict=True)}
        for name, stage in stages.items()
    }
    rows: list[dict[str, Cell]] = []
    for rule, title in RULES.items():
        settings = {name: _cells(cells, rule) for name, cells in found.items()}
        for name, stage in stages.items():
            if rule == "paper" and "episodes" in settings[name]:
                settings[name]["open"] = opens(model, stage)
        rows += _rows(f"{MODELS[model]} (ours)", f"ours, {title}", _with_delta(settings, keys[-1]))
    return rows


def _cells(cells: dict[str, Rescored | Missing] | dict[str, Share | Missing], rule: str) -> dict[str, Cell]:
    row: dict[str, Cell] = {}
    for key, cell in cells.items():
        if isinstance(cell, Missing):
            row[key] = cell
            continue
        value = cell.percent(rule) if isinstance(cell, Rescored) else cell.paper if rule == "paper" else cell.strict
        row[key] = Missing("some verdicts could not be decided here") if value is None else value
        row["episodes"] = cell.items if isinstance(cell, Rescored) else cell.episodes  # of the last group: all
    return row


def _with_delta(settings: Settings, last: str) -> Settings:
    before, after = settings["alone"].get(last), settings["feedback"].get(last)
    if isinstance(before, float) and isinstance(after, float):
        settings["feedback"]["delta"] = after - before
    return settings
