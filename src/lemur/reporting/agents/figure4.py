"""Figure 4: success in IC-SQL within the first turns, of published episodes and of our Lemur-Chat."""

from pathlib import Path

from lemur.pages.figures import BLUE, GREY, OURS, picture, write_reason
from lemur.pages.page_parts import Cell, Column, Missing, Table
from lemur.reporting.agents.by_task import RULES
from lemur.reporting.agents.ours import STAGES, percent, share
from lemur.reporting.agents.published import Published
from lemur.reporting.inputs import MODELS, Inputs
from lemur.reporting.paper import AgentTable

TURNS = range(1, 11)
STAGE, TASK, MODEL = "intercode_sql", "ic_sql", "lemur_chat"
OURS_NAME = f"{MODELS[MODEL]} (ours)"
LINE_HEIGHT = 4.0
"""Percent between two names beside the marks."""


def table(printed: AgentTable, published: Published, inputs: Inputs) -> Table:
    """Percent of episodes solved within k turns by the paper's rule. Rows: the paper's final rates (Table 5), published
    episodes rescored, ours."""
    columns = [Column("model", "Model"), Column("numbers", "Numbers"), *(Column(f"k{k}", str(k), 2) for k in TURNS)]
    rows: list[dict[str, Cell]] = [
        {"model": model, "numbers": "as printed", f"k{TURNS[-1]}": rate} for model, rate in _printed(printed).items()
    ]
    for model, curve in published.within_turns(TASK).items():
        rows.append({"model": model, "numbers": f"rescored, {RULES['paper']}", **_cells(curve)})
    found = within_turns(inputs)
    cells = {"k1": found} if isinstance(found, Missing) else _cells(found)
    rows.append({"model": OURS_NAME, "numbers": f"ours, {RULES['paper']}", **cells})
    notes = [
        "Success in percent within the first k turns of an episode, whose best reward counts. The paper draws Figure 4 "
        "without numbers; its rates after 10 turns are Table 5's. Rescored: InterCode's published log."
    ]
    return Table(columns, rows, notes)


def draw(printed: AgentTable, published: Published, inputs: Inputs, path: Path) -> None:
    """Plot a line for each published log and for ours, and the paper's final rates as marks."""
    found = within_turns(inputs)
    curves = {f"{model}, published": (curve, BLUE) for model, curve in published.within_turns(TASK).items()}
    if not isinstance(found, Missing):
        curves[OURS_NAME] = (found, OURS)
    with picture(path, 7.5, 4.0, "IC-SQL: success within the first turns, in percent") as figure:
        axes = figure.subplots()
        if not curves:
            return write_reason(axes, "no episodes of IC-SQL yet")
        for name, (points, color) in curves.items():
            axes.plot(range(1, len(points) + 1), points, marker="o", markersize=4, color=color, label=name)
        rates = _printed(printed)
        axes.plot([TURNS[-1]] * len(rates), list(rates.values()), "D", color=GREY, label="the paper's models, Table 5")
        lowest = 0.0
        for model, rate in sorted(rates.items(), key=lambda pair: pair[1]):
            lowest = max(rate, lowest + LINE_HEIGHT)
            axes.text(TURNS[-1] + 0.15, lowest, model, va="center", fontsize=7)
        axes.set_xticks(TURNS)
        axes.set_xlim(0.7, 12.2)
        axes.set_ylim(-3, 100)
        axes.set_xlabel("turns")
        axes.legend(loc="center left")
    return None


def within_turns(inputs: Inputs) -> list[float] | Missing:
    """Our success in percent within 1, 2, ... turns."""
    if isinstance(whole := share(inputs, MODEL, STAGE), Missing):
        return whole
    curve = inputs.results[MODEL][STAGE]["results"][STAGE]["by_turns"]
    rates = [percent(curve[key].get("success,paper")) for key in sorted(curve, key=int)]
    return [rate for rate in rates if rate is not None] or Missing(f"{STAGES[STAGE]}: no episodes")


def _printed(printed: AgentTable) -> dict[str, float]:
    place = [task.key for task in printed.tasks].index(TASK)
    return {row.model: score for row in printed.rows if (score := row.scores[place]) is not None}


def _cells(points: list[float]) -> dict[str, Cell]:
    return {f"k{k}": rate for k, rate in enumerate(points, 1)}
