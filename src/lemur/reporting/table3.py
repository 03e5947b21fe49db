"""Table 3: our three models beside the paper's nine rows, with the paper's own slips marked."""

from pathlib import Path

from lemur.pages.blocks import Cell, Column, Missing, Table
from lemur.reporting.inputs import MODELS, Inputs
from lemur.reporting.paper import PaperTables
from lemur.reporting.scores import Score, benchmarks, left_out, score


def table(paper: PaperTables, inputs: Inputs) -> Table:
    """Scores in per cent; a benchmark that was not run or was skipped is a dash with its reason."""
    columns = [
        Column("model", "Model"),
        *(Column(b.key, b.name) for b in paper.table3.benchmarks),
        Column("average", "Avg"),
    ]
    rows: list[dict[str, Cell]] = [
        {"model": row.model, **paper.table3.scores(row.model), "average": row.average} for row in paper.table3.rows
    ]
    for model, title in MODELS.items():
        ours: dict[str, Cell] = {"model": f"{title} (ours)"}
        for benchmark in paper.table3.benchmarks:
            found = score(inputs, model, benchmark.key)
            ours[benchmark.key] = found.value if isinstance(found, Score) else found
        missing = any(isinstance(cell, Missing) for cell in ours.values())
        scores = [cell for cell in ours.values() if isinstance(cell, float)]
        ours["average"] = Missing("an average needs all eight benchmarks") if missing else sum(scores) / len(scores)
        rows.append(ours)
    names = {benchmark.key: benchmark.name for benchmark in paper.table3.benchmarks} | {"average": "Avg"}
    order = [row.model for row in paper.table3.rows]
    slips = [
        (order.index(slip.row or ""), slip.column, f"{slip.row}, {names[slip.column]}: {slip.sentence()}")
        for slip in paper.table3.slips
    ]
    notes = ["Scores in per cent; the paper's nine rows as printed."]
    for benchmark in paper.table3.benchmarks:
        found_here = [score(inputs, model, benchmark.key) for model in MODELS]
        if any(isinstance(found, Score) and found.sample for found in found_here):
            written = "our items are a sample written for this project, not the benchmark: not to be compared"
            notes.append(f"{benchmark.name}: {written}.")
        if without := left_out(inputs, benchmark.key):
            notes.append(f"{benchmark.name}: without {', '.join(sorted(without))}, which cannot run here.")
    return Table(columns, rows, notes, slips)


def details(inputs: Inputs, paper: PaperTables) -> Table:
    """One row a model and benchmark, those outside Table 3 too: score, standard error, the strict rule's score, items
    asked, shots."""
    names = {benchmark.key: benchmark.name for benchmark in paper.table3.benchmarks}
    columns = [
        Column("model", "Model"),
        Column("benchmark", "Benchmark"),
        Column("score", "Score, %"),
        Column("error", "± s.e."),
        Column("strict", "Strict rule, %"),
        Column("asked", "Items asked"),
        Column("items", "of"),
        Column("shots", "Shots"),
        Column("fewer_shots", "fewer for"),
        Column("data", "Items from"),
    ]
    rows: list[dict[str, Cell]] = []
    for benchmark in benchmarks(inputs):
        for model, title in MODELS.items():
            row: dict[str, Cell] = {"model": title, "benchmark": names.get(benchmark, benchmark)}
            match score(inputs, model, benchmark):
                case Missing() as missing:
                    row["score"] = missing
                case found:
                    shown = ("error", "strict", "asked", "items", "shots", "fewer_shots", "data")
                    row |= {key: getattr(found, key) for key in shown}
                    row["score"] = found.value
            rows.append(row)
    notes = [
        "Score: by the paper's own script, so that it can be compared. Strict rule: where that "
        "script is at fault (a dash: they do not differ). "
        "s.e.: standard error over the items asked. Fewer for: items whose prompt had no room for all shots. "
        "MMLU's guessing level is 25 %. BBH: the paper's script strips punctuation, which is all that some targets "
        "of dyck_languages are, so an empty answer passes there."
    ]
    return Table(columns, rows, notes)


def draw(table: Table, inputs: Inputs, paper: PaperTables, path: Path) -> None:
    """One panel a benchmark; the paper's models grey, its Lemur rows darker, ours coloured with ± 1 s.e."""
    from lemur.pages.figures import OURS, name_rows, picture

    names = [str(row["model"]) for row in table.rows]
    with picture(
        path, 12, 8.4, "Table 3: scores in per cent, the paper's nine models and our three (± 1 standard error)"
    ) as figure:
        panels = figure.subplots(2, -(-len(paper.table3.benchmarks) // 2), sharey=True).flat
        for axes, benchmark in zip(panels, paper.table3.benchmarks, strict=True):
            key = benchmark.key
            name_rows(axes, names)
            axes.set_title(benchmark.name + _sampled(inputs, key), pad=12)  # room for "guessing"
            axes.set_xlim(0, 100)
            for y, row in enumerate(table.rows):
                value, name = row[key], str(row["model"])
                if not isinstance(value, float):
                    reason = "skipped" if isinstance(value, Missing) and "skipped" in value.reason else "no score"
                    axes.text(1.5, y, reason, va="center", fontsize=8, color=OURS)
                    continue
                error = _error(inputs, name, key)
                color = OURS if name.endswith("(ours)") else "#6E6E6E" if name.startswith("Lemur") else "#BDBDBD"
                axes.barh(y, value, 0.7, color=color, xerr=error, error_kw={"elinewidth": 1, "capsize": 2})
                axes.annotate(
                    f"{value:.1f}",
                    (value + (error or 0), y),
                    (4, 0),
                    textcoords="offset points",
                    va="center",
                    fontsize=8,
                )
            if key == "mmlu":
                axes.axvline(25, color="#333333", linewidth=0.8, linestyle=":")
                axes.text(26, -0.52, "guessing", fontsize=7.5, va="bottom", color="#333333")


def _sampled(inputs: Inputs, benchmark: str) -> str:
    """Says beside a benchmark's name where our models were not asked the benchmark itself, or not all of it."""
    found = [one for model in MODELS if isinstance(one := score(inputs, model, benchmark), Score)]
    if not found:
        return ""
    if any(one.sample for one in found):
        return f" (ours: a sample, {found[0].asked} items)"
    return f" (ours: {found[0].asked} of {found[0].items})" if found[0].asked < found[0].items else ""


def _error(inputs: Inputs, name: str, benchmark: str) -> float | None:
    model = next((model for model, title in MODELS.items() if name == f"{title} (ours)"), None)
    found = score(inputs, model, benchmark) if model else None
    return found.error if isinstance(found, Score) else None
