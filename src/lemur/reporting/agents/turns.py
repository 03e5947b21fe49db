"""Success by the number of turns that an episode may take, and its slope: MINT's improvement rate."""

from pathlib import Path

from lemur.pages.figures import BLUE, GREY, OURS, picture, write_reason
from lemur.pages.page_parts import Cell, Column, Missing, Table
from lemur.reporting.agents.by_task import RULES
from lemur.reporting.agents.ours import ACTING, by_turns
from lemur.reporting.agents.published import Published
from lemur.reporting.inputs import MODELS, Inputs

TURNS = (1, 2, 3, 4, 5)
LEMUR = "Lemur-70B-Chat"
GROUPS = {"reasoning": "reasoning", "code": "code", "decision": "ALFWorld", "all": "all"}
OUR_STAGES = {"mint": "reasoning and code", "alfworld": "ALFWorld"}


def table(published: Published, inputs: Inputs) -> Table:
    """One row for each group of the published Lemur, for each of our models and stages, and rule; percent."""
    columns = [Column("model", "Model"), Column("tasks", "Tasks"), Column("rule", "Rule")]
    columns += [Column(f"k{k}", f"k = {k}", 2) for k in TURNS] + [Column("slope", "Improvement rate", 2)]
    rows: list[dict[str, Cell]] = []
    for rule, title in RULES.items():
        for group, name in GROUPS.items():
            rows.append(
                {"model": LEMUR, "tasks": name, "rule": title, **_cells(published.by_turns(LEMUR, group, rule))}
            )
        for model in ACTING:
            for stage, name in OUR_STAGES.items():
                cells = _cells(by_turns(inputs, model, stage, rule))
                rows.append({"model": f"{MODELS[model]} (ours)", "tasks": name, "rule": title, **cells})
    # Rows without any number but the first are repetitions of its reason.
    kept = [row for row in rows if not isinstance(row["k1"], Missing) or row["rule"] == RULES["paper"]]
    notes = [
        "Success in percent of episodes with at most k turns, for each k its own run; Lemur-70B-Chat: its published "
        "episodes, rescored. Improvement rate: the slope of the least-squares line, points a turn (MINT, Section 3)."
    ]
    return Table(columns, kept, notes)


def draw(published: Published, inputs: Inputs, path: Path) -> None:
    """Plot one line for the published Lemur and one for each of our models and stages, by the paper's rule."""
    lines = {f"{LEMUR}, all (published)": (published.by_turns(LEMUR, "all", "paper"), BLUE, "-")}
    for model, color in zip(ACTING, (GREY, OURS), strict=True):
        for stage, style in zip(OUR_STAGES, ("-", "--"), strict=True):
            name = f"{MODELS[model]} (ours), {OUR_STAGES[stage]}"
            lines[name] = (by_turns(inputs, model, stage, "paper"), color, style)
    drawn = {name: found for name, (found, *_) in lines.items() if not isinstance(found, Missing)}
    with picture(path, 7.5, 4.0, "Success by the number of turns allowed, in percent") as figure:
        axes = figure.subplots()
        if not drawn:
            return write_reason(axes, "no episodes with several numbers of turns yet")
        for name, (points, slope) in drawn.items():
            _, color, style = lines[name]
            label = f"{name}: {slope:+.2f} a turn"
            axes.plot(range(1, len(points) + 1), points, style, marker="o", markersize=4, color=color, label=label)
        axes.set_xticks(TURNS)
        axes.set_xlabel("turns allowed, k")
        axes.set_ylim(0, max(5.0, 1.1 * max(max(points) for points, _ in drawn.values())))
        axes.legend(loc="best")
    return None


def _cells(found: tuple[list[float], float] | Missing) -> dict[str, Cell]:
    if isinstance(found, Missing):
        return {"k1": found}
    points, slope = found
    return {**{f"k{k}": value for k, value in enumerate(points, 1)}, "slope": slope}
