"""Table 1: instances, rounds and lengths of the instruction sources, ours and the paper's."""

from collections import Counter
from pathlib import Path
from typing import Any

from lemur.core.records import Record
from lemur.pages.page_parts import Column, Missing, Table, number, tally
from lemur.reporting.paper import InstructionRow, PaperTables

MEASURES = {
    "instances": ("Instances", 0),
    "rounds": ("Rounds", 1),
    "prompt": ("Prompt (tokens)", 1),
    "completion": ("Completion (tokens)", 1),
}


def table(paper: PaperTables, stages: dict[str, Record]) -> Table:
    """One row per dataset of the paper; `ours_*` are sums and averages over this project's sources for it."""
    columns = [Column("dataset", "Dataset")]
    for key, (head, digits) in MEASURES.items():
        columns += [Column(f"ours_{key}", head, digits), Column(f"paper_{key}", "paper", digits)]
    statistics = stages.get("encode_instructions", {}).get("table_1", {})
    sources = statistics.get("sources")
    rows = [{"dataset": row.name, **_ours(row.sources, sources), **_paper(row)} for row in paper.table1.rows]
    others = sorted((sources or {}).keys() - {name for row in paper.table1.rows for name in row.sources})
    unknown = {f"paper_{key}": Missing("not in the paper's mix") for key in MEASURES}
    rows += [{"dataset": name, **_ours([name], sources), **unknown} for name in others]
    instances = [row["ours_instances"] for row in rows if isinstance(row["ours_instances"], int)]
    total = sum(instances) if instances else Missing("no instruction data")
    rows.append(
        {"dataset": "Total", "ours_instances": total, "paper_instances": sum(r.instances for r in paper.table1.rows)}
    )
    notes = [f"Ours: {statistics.get('definition', 'tokens a round')} The paper does not name its tokenizer."]
    notes += [
        f"Ours of {row.name}: {', '.join(row.sources[:-1])} and {row.sources[-1]} together."
        for row in paper.table1.rows
        if len(row.sources) > 1
    ]
    if statistics:
        notes.append(
            _totals(stages["encode_instructions"], [name for row in paper.table1.rows for name in row.sources] + others)
        )
    names = [*(row["dataset"] for row in rows[:-1]), None]  # None: the row of totals
    slips = [
        (names.index(slip.row), f"paper_{slip.column}", f"{slip.row or 'Total'}: {slip.sentence()}")
        for slip in paper.table1.slips
    ]
    return Table(columns, rows, notes, slips)


AFTER = "too_long"
"""The only reason for which `encode_instructions` drops a conversation after Table 1 has counted it."""


def _totals(report: Record, names: list[str]) -> str:
    """Explains why the data set, this table and the encoded conversations have different totals."""
    sources = [report["sources"][name] for name in names if name in report["sources"]]
    dropped: Counter[str] = Counter()
    for counts in sources:
        dropped.update(counts["dropped"])
    after = dropped.pop(AFTER, 0)
    before = tally(sorted(dropped.items())) or "none"
    entered, out = (sum(counts[key] for counts in sources) for key in ("in", "out"))
    return (
        f"Three totals: the exported data set has {number(entered)} conversations; this table counts "
        f"{number(entered - dropped.total())}, without those that cannot be encoded ({before}); {number(out)} are "
        f"encoded, without those of this table that do not fit at all ({AFTER} {number(after)})."
    )


def _paper(row: InstructionRow) -> Record:
    return {f"paper_{key}": getattr(row, key) for key in MEASURES}


def _ours(names: list[str], sources: Record | None) -> Record:
    if sources is None:
        return {f"ours_{key}": Missing("no report of encode_instructions") for key in MEASURES}
    entries = [sources[name] for name in names if name in sources]
    instances, rounds = (sum(entry[key] for entry in entries) for key in ("instances", "rounds"))
    if not instances:
        return {f"ours_{key}": Missing("nothing of this source reached the mix") for key in MEASURES}
    return {
        "ours_instances": instances,
        "ours_rounds": rounds / instances,
        "ours_prompt": sum(entry["prompt_tokens"] for entry in entries) / rounds,
        "ours_completion": sum(entry["completion_tokens"] for entry in entries) / rounds,
    }


def draw(table: Table, path: Path) -> None:
    """Plot one panel per measure, as points on one axis: a bar's length means nothing on a log axis."""
    from matplotlib.lines import Line2D

    from lemur.pages.figures import OURS, PAPER, name_rows, picture

    point: dict[str, Any] = {"marker": "o", "markersize": 6, "linestyle": "none"}
    ours = {**point, "color": OURS}
    printed = {**point, "color": PAPER, "markerfacecolor": "none", "markeredgewidth": 1.5}
    rows = table.rows[:-1]
    with picture(path, 10, 2.9, "Table 1: instruction data, ours and the paper's") as figure:
        panels = figure.subplots(1, len(MEASURES), sharey=True)
        for axes, (key, (head, digits)) in zip(panels, MEASURES.items(), strict=True):
            name_rows(axes, [str(row["dataset"]) for row in rows])
            axes.set_title(head)
            for shift, owner, style in ((-0.17, "ours", ours), (0.17, "paper", printed)):
                for y, row in enumerate(rows):
                    value = row[f"{owner}_{key}"]
                    if isinstance(value, int | float):
                        axes.plot(value, y + shift, **style)
                        axes.annotate(
                            number(value, digits),
                            (value, y + shift),
                            (6, 0),
                            textcoords="offset points",
                            va="center",
                            fontsize=7.5,
                        )
                    else:
                        axes.annotate(
                            "none",
                            (0 if key != "instances" else 1, y + shift),
                            (3, 0),
                            textcoords="offset points",
                            va="center",
                            fontsize=7.5,
                        )
            if key == "instances":
                axes.set_xscale("log")  # ours and the paper's differ by orders of magnitude below paper scale
                axes.set_xlim(1, 3e7)
                axes.set_xticks([1, 1e2, 1e4, 1e6])
            else:
                axes.set_xlim(0, axes.get_xlim()[1] * 1.3)
        figure.legend(
            [Line2D([], [], **ours), Line2D([], [], **printed)], ["ours", "paper"], loc="upper right", ncols=2
        )
