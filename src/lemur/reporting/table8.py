"""Table 8: weight, effective tokens and epochs of each corpus source in the Lemur mixture, ours and the paper's."""

from pathlib import Path

from lemur.core.records import Record
from lemur.pages.page_parts import Cell, Column, Missing, Table, number
from lemur.reporting.paper import PaperTables


def base(stages: dict[str, Record]) -> Table:
    """The base model's mixture, one row per source: the requested weight and the share that this build reached."""
    columns = [
        Column("source", "Source"),
        Column("group", "Type"),
        Column("asked", "Requested, %", 2),
        Column("got", "Reached, %", 2),
        Column("tokens", "Tokens", 0),
        Column("epochs", "Epochs", 2),
        Column("capped", "At its limit"),
    ]
    plan: Record = stages.get("mix_corpus_base", {}).get("sources", {})
    total = sum(row["weight"] for row in plan.values())
    rows: list[dict[str, Cell]] = [
        {
            "source": source,
            "group": row["group"],
            "asked": 100 * row["weight"] / total if total else 0.0,
            "got": float(row["share"]),
            "tokens": row["tokens"],
            "epochs": float(row["epochs"]),
            "capped": "yes" if row["capped"] and row["tokens"] else "",
        }
        for source, row in sorted(plan.items(), key=lambda item: (item[1]["group"] != "code", item[0]))
    ]
    note = (
        "The paper has no such table: it starts from Llama 2. Only whole documents are used. A source at its limit of "
        "epochs is short of tokens; other sources of its group supply them."
    )
    return Table(columns, rows, [note if rows else "There is no report of mix_corpus_base, or its mixture is empty."])


def table(paper: PaperTables, stages: dict[str, Record]) -> Table:
    """One row per source and one per group. Our weight is the share of tokens that the plan reaches, in %."""
    columns = [
        Column("source", "Source"),
        Column("group", "Type"),
        Column("ours_weight", "Weight, %", 2),
        Column("ours_asked", "requested", 2),
        Column("paper_weight", "paper", 2),
        Column("ours_tokens", "Effective tokens", 0),
        Column("paper_tokens", "paper, B", 2),
        Column("ours_epochs", "Epochs", 2),
        Column("paper_epochs", "paper", 2),
    ]
    plan: Record | None = stages.get("mix_corpus_lemur", {}).get("sources")
    sources = plan or {}
    rows: list[dict[str, Cell]] = []
    for row in paper.table8.rows:
        printed: dict[str, Cell] = {"paper_weight": row.weight, "paper_tokens": row.tokens, "paper_epochs": row.epochs}
        rows.append({"source": row.name, "group": row.group, **_ours(plan, row.source), **printed})
    unknown = dict.fromkeys(("paper_weight", "paper_tokens", "paper_epochs"), Missing("not in the paper's mixture"))
    for source in sorted(sources.keys() - {row.source for row in paper.table8.rows}):
        rows.append({"source": source, "group": sources[source]["group"], **_ours(plan, source), **unknown})
    rows.sort(key=lambda row: row["group"] != "code")
    for group in paper.table8.groups:
        printed = {
            "paper_weight": group.weight,
            "paper_tokens": sum(r.tokens for r in paper.table8.rows if r.group == group.name),
        }
        rows.append({"source": f"All {group.name}", "group": group.name, **_sum(rows, group.name), **printed})
    rows.append(
        {
            "source": "Total",
            "group": "",
            **_sum(rows[:-2], None),
            "paper_weight": 100.0,
            "paper_tokens": paper.table8.total_tokens,
        }
    )
    notes = [
        "Weight: our share of the planned tokens; requested: the weight in params.yaml. They differ because only whole "
        "documents are used, and because a source may be at its limit of epochs."
    ]
    capped = [
        row.name
        for row in paper.table8.rows
        if sources.get(row.source, {}).get("capped") and sources[row.source]["tokens"]
    ]
    if capped:
        notes.append(f"At their limit of epochs, so other sources of their group give more: {', '.join(capped)}.")
    total = len(rows) - 1
    slips = [(total, f"paper_{slip.column}", f"Total: {slip.sentence()}") for slip in paper.table8.slips]
    return Table(columns, rows, notes, slips)


def _ours(plan: Record | None, source: str) -> dict[str, Cell]:
    requested: Cell = None
    if plan is None:
        reason = Missing("no report of mix_corpus_lemur")
    elif source not in plan or not plan[source]["weight"]:
        reason = Missing("not used: its weight is 0")
    elif not plan[source]["available_tokens"]:
        reason = Missing("no documents of this source in this build")
        requested = float(plan[source]["weight"])
    else:
        row = plan[source]
        return {
            "ours_weight": float(row["share"]),
            "ours_asked": float(row["weight"]),
            "ours_tokens": row["tokens"],
            "ours_epochs": float(row["epochs"]),
        }
    return {"ours_asked": requested, **{f"ours_{key}": reason for key in ("weight", "tokens", "epochs")}}


def _sum(rows: list[dict[str, Cell]], group: str | None) -> dict[str, Cell]:
    members = [row for row in rows if group in (None, row["group"])]
    weights = [cell for row in members if isinstance(cell := row["ours_weight"], float)]
    tokens = [cell for row in members if isinstance(cell := row["ours_tokens"], int)]
    if not tokens:
        return {"ours_weight": Missing("nothing to sum"), "ours_tokens": Missing("nothing to sum")}
    return {"ours_weight": sum(weights), "ours_tokens": sum(tokens)}


def draw(table: Table, path: Path) -> None:
    """Plot weight, tokens and epochs of every source on log axes: ours as filled points, the paper's as open ones."""
    from matplotlib.lines import Line2D

    from lemur.pages.figures import OURS, PAPER, name_rows, picture

    rows = [row for row in table.rows if row["group"] and not str(row["source"]).startswith("All ")]
    with picture(path, 13, 4.6, "Table 8: the Lemur mixture, ours and the paper's") as figure:
        panels = figure.subplots(1, 3, sharey=True)
        heads = {
            "weight": "Weight, % of effective tokens",
            "tokens": "Effective tokens, millions",
            "epochs": "Epochs (the paper gives none for text)",
        }
        for axes, (key, head) in zip(panels, heads.items(), strict=True):
            # Our tokens are counted one by one, the paper's in billions.
            scale = {"ours": 1e-6, "paper": 1e3} if key == "tokens" else {"ours": 1.0, "paper": 1.0}
            name_rows(axes, [f"{row['source']} ({row['group']})" for row in rows])
            axes.set_title(head)
            axes.set_xscale("log")
            values = [
                v * scale[o]
                for row in rows
                for o in ("ours", "paper")
                if isinstance(v := row[f"{o}_{key}"], int | float) and v > 0
            ]
            # Leave room for a label on either side.
            low, high = min(values, default=0.1), max(values, default=100)
            axes.set_xlim(low / max(4, (high / low) ** 0.2), high * max(4, (high / low) ** 0.2))
            axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
            for y, row in enumerate(rows):
                ours, printed = row[f"ours_{key}"], row[f"paper_{key}"]
                if isinstance(printed, int | float):
                    x = printed * scale["paper"]
                    axes.plot(x, y, "o", markersize=8, markerfacecolor="none", markeredgecolor="#444444")
                if isinstance(ours, int | float) and ours > 0:
                    mine = ours * scale["ours"]
                    axes.plot(mine, y, "o", markersize=5, color=OURS)
                    left = isinstance(printed, int | float) and mine < printed * scale["paper"]  # away from the paper's
                    axes.annotate(
                        f"{mine:.2g}" if key == "tokens" and mine < 1 else number(mine, 2),
                        (mine, y),
                        (-8 if left else 8, 0),
                        textcoords="offset points",
                        ha="right" if left else "left",
                        va="center",
                        fontsize=7.5,
                        color=OURS,
                    )
            axes.axhline(sum(row["group"] == "code" for row in rows) - 0.5, color=PAPER, linewidth=0.8)
        points = [
            Line2D([], [], marker="o", linestyle="", color=OURS, markersize=5),
            Line2D([], [], marker="o", linestyle="", markerfacecolor="none", markeredgecolor="#444444", markersize=8),
        ]
        figure.legend(points, ["ours (with number)", "paper"], loc="upper right", ncols=2)
