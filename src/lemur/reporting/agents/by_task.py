"""Tables 4, 5 and 7: the paper's success rates by task, those of its published trajectories, and ours."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from lemur.pages.page_parts import Cell, Column, Link, Missing, Table
from lemur.reporting.agents.ours import ACTING, remarks, share
from lemur.reporting.agents.published import MODELS as PUBLISHED
from lemur.reporting.agents.published import Published, Rescored
from lemur.reporting.inputs import MODELS, Inputs
from lemur.reporting.paper import AgentTable
from lemur.reporting.scores import EPISODES, opens

BASELINES = {"reference": "The references", "constant": "Best constant message"}
RULES = {"paper": "paper's rule", "strict": "strict rule"}


@dataclass(frozen=True)
class Layout:
    """`stages`: the stage that plays each of a table's tasks in this project. `average`: the group over which a table
    averages, and that column's heading."""

    stages: Mapping[str, str]
    average: tuple[str, str] | None = None
    notes: list[str] = field(default_factory=list)


TABLE4 = Layout(
    dict.fromkeys(("gsm8k", "math", "theoremqa", "hotpotqa", "mmlu"), "mint"),
    ("reasoning", "MicroAvg"),
    ["MicroAvg: over all episodes of the five tasks."],
)
TABLE5 = Layout(
    {
        "humaneval": "mint",
        "mbpp": "mint",
        "ic_bash": "intercode_bash",
        "ic_sql": "intercode_sql",
        "robocodegen": "robocodegen",
    },
    notes=[
        "Faulty tasks: the gold queries of IC-SQL's tasks 164, 178, 225, 531, 638 and 802 fail in MySQL too, so that "
        "no rows are right by the paper's rule; in IC-Bash `find -exec` without an escaped semicolon fails as gold "
        "(intercode issue 28). RoboCodeGen by the paper's rule: any shape within the expected one is right, and so "
        "is an empty array in place of any numbers."
    ],
)
TABLE7 = Layout(
    {"ic_ctf": "intercode_ctf", "webarena": "webarena", "alfworld": "alfworld"},
    notes=[
        "ALFWorld: MINT counts a game as solved when it is over, which after 50 steps it is without success too "
        "(paper's rule); the strict rule wants it won.",
        "Faulty tasks: the gold flag of IC-CTF's task 15 is wrong (intercode issue 25). WebArena: 36 tasks have the "
        "gold N/A, 107, 109 to 111, 186, 505 and 679 a typo in it (webarena issue 274), 407, 408 and 584 a wrong one "
        "(246); 301 and 302 are malformed (56).",
    ],
)


def table(printed: AgentTable, layout: Layout, published: Published, inputs: Inputs) -> Table:
    """Success in percent. Rows: each model of the paper as printed; its published episodes by both rules; ours."""
    columns = [Column("model", "Model"), Column("numbers", "Numbers")]
    columns += [Column(task.key, task.name, 2) for task in printed.tasks]
    columns += [Column("average", layout.average[1], 2)] if layout.average else []
    columns += [
        Column("episodes", "Episodes"),
        Column("changed", "Changed by the strict rule"),
        Column("open", "Turns"),
    ]
    rows: list[dict[str, Cell]] = []
    for row in printed.rows:
        scores = dict(zip((task.key for task in printed.tasks), row.scores, strict=True))
        rows.append({"model": row.model, "numbers": "as printed", **scores, "average": row.average, "open": ""})
    slips = [
        (i, slip.column, f"{slip.row}, {task.name}: {slip.sentence()}")
        for slip in printed.slips
        for i, row in enumerate(printed.rows)
        for task in printed.tasks
        if row.model == slip.row and task.key == slip.column
    ]
    rows += [row for model in PUBLISHED for row in _rescored(model, printed, layout, published)]
    rows += [row for model in ACTING for row in _ours(model, printed, layout, inputs)]
    rows += _baselines(printed, layout, inputs)
    notes = [
        "Success in percent, the paper's rows as printed. Rescored: the published episodes of these models, scored "
        "again by this project; a dash where a task has no published episodes. Changed: verdicts that differ between "
        "the rules. Ours: Lemur and Lemur-Chat of this build. The last rows are over our tasks.",
        *layout.notes,
        *(note for stage in dict.fromkeys(layout.stages.values()) for note in remarks(inputs, stage)),
    ]
    return Table(columns, rows, notes, slips)


def _rescored(model: str, printed: AgentTable, layout: Layout, published: Published) -> list[dict[str, Cell]]:
    parts = {task.key: published.cell(model, task.key) for task in printed.tasks}
    if layout.average:
        parts["average"] = published.cell(model, layout.average[0])
    cells = [cell for key, cell in parts.items() if isinstance(cell, Rescored) and key != "average"]
    if not cells:  # one row for all models, with the reason
        if published.models or model != next(iter(PUBLISHED)):
            return []
        return [
            {
                "model": "The paper's models",
                "numbers": "rescored",
                "open": "",
                **dict.fromkeys(parts, published.missing),
            }
        ]
    rows = []
    for rule, title in RULES.items():
        row: dict[str, Cell] = {"model": model, "numbers": f"rescored, {title}", "open": ""}
        for key, cell in parts.items():
            row[key] = cell if isinstance(cell, Missing) else _or_missing(cell.percent(rule))
        row["episodes"] = sum(cell.items for cell in cells)
        if rule == "strict":
            row["changed"] = sum(cell.changed or 0 for cell in cells)
        rows.append(row)
    return rows


def _ours(model: str, printed: AgentTable, layout: Layout, inputs: Inputs) -> list[dict[str, Cell]]:
    stages = {task.key: layout.stages[task.key] for task in printed.tasks}
    # MINT's stage plays several of a table's tasks, any other stage a single one.
    parts = {key: (stage, key if stage == "mint" else "") for key, stage in stages.items()}
    if layout.average:
        parts["average"] = (layout.stages[printed.tasks[0].key], layout.average[0])
    shares = {key: share(inputs, model, stage, part) for key, (stage, part) in parts.items()}
    here = {stage for stage, _ in parts.values()}
    played = any(not isinstance(each, Missing) for each in shares.values())
    rows = []
    for rule, title in RULES.items() if played else {"paper": ""}.items():
        numbers = f"ours, {title}" if title else "ours"
        row: dict[str, Cell] = {"model": f"{MODELS[model]} (ours)", "numbers": numbers, "open": ""}
        for key, each in shares.items():
            row[key] = (
                each if isinstance(each, Missing) else _or_missing(each.paper if rule == "paper" else each.strict)
            )
        if played:
            counted = [each for key, each in shares.items() if key != "average" and not isinstance(each, Missing)]
            row["episodes"] = sum(each.episodes or 0 for each in counted)
            if rule == "paper":
                row["open"] = opens(model, *here) if len(here) == 1 else Link("open", f"{EPISODES}/index.html")
        rows.append(row)
    return rows


def _baselines(printed: AgentTable, layout: Layout, inputs: Inputs) -> list[dict[str, Cell]]:
    """Rows without a model: what the references score, and the best of the messages that are always the same."""
    parts = {task.key: task.key for task in printed.tasks}
    if layout.average:
        parts["average"] = layout.average[0]
    rows = []
    for kind, model in BASELINES.items():
        for rule, title in RULES.items():
            cells: dict[str, Cell] = {}
            for key, part in parts.items():
                stage = layout.stages.get(key, "mint")  # without one: the average of MINT's tasks
                cells[key] = _baseline(inputs, f"mint_{part}" if stage == "mint" else stage, rule, kind)
            if any(not isinstance(cell, Missing) for cell in cells.values()):
                rows.append({"model": model, "numbers": f"without a model, {title}", "open": "", **cells})
    return rows


def _baseline(inputs: Inputs, part: str, rule: str, kind: str) -> Cell:
    """In percent. WebArena's constant answer is a part of its result."""
    if part == "webarena" and kind == "constant":
        results = inputs.results.get("lemur_chat", {}).get(part, {}).get("results", {})
        value = results.get(part, {}).get("always_na", {}).get(f"success,{rule}")
        return Missing("not played, so there is no baseline") if value is None else 100 * value
    record = inputs.baselines.get(part, {})
    value = record.get("metrics", {}).get(f"success,{rule}", {}).get(kind)
    return Missing(record.get("skipped", "no baseline")) if value is None else 100 * value


def _or_missing(value: float | None) -> Cell:
    return Missing("some verdicts could not be decided here") if value is None else value
