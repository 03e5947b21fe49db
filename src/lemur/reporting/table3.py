"""Table 3: our three models and the paper's nine rows, with the paper's own slips marked."""

from pathlib import Path

from lemur.pages.page_parts import Cell, Column, Missing, Table
from lemur.reporting.inputs import MODELS, Inputs
from lemur.reporting.paper import PaperTables
from lemur.reporting.scores import Baseline, Score, baseline, benchmark_names, opens, score, skipped_parts


def table(paper: PaperTables, inputs: Inputs) -> Table:
    """Scores in percent; a benchmark that has not run or was skipped is a dash with its reason."""
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
            result = score(inputs, model, benchmark.key)
            ours[benchmark.key] = result.value if isinstance(result, Score) else result
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
    notes = ["Scores in percent; the paper's nine rows as printed."]
    for benchmark in paper.table3.benchmarks:
        results = [score(inputs, model, benchmark.key) for model in MODELS]
        if any(isinstance(result, Score) and result.sample for result in results):
            warning = "our items are a sample written for this project, not the benchmark; do not compare the scores"
            notes.append(f"{benchmark.name}: {warning}.")
        if skipped := skipped_parts(inputs, benchmark.key):
            notes.append(f"{benchmark.name}: without {', '.join(sorted(skipped))}, which cannot run here.")
    return Table(columns, rows, notes, slips)


def details(inputs: Inputs, paper: PaperTables) -> Table:
    """One row per model and benchmark, including those outside Table 3: score, standard error, score by the strict
    rule, items asked, shots."""
    names = {benchmark.key: benchmark.name for benchmark in paper.table3.benchmarks}
    columns = [
        Column("model", "Model"),
        Column("benchmark", "Benchmark"),
        Column("score", "Score, %"),
        Column("error", "± s.e."),
        Column("strict", "Strict rule, %"),
        Column("constant", "Best constant answer, %"),
        Column("reference", "Reference answers, %"),
        Column("asked", "Items asked"),
        Column("items", "of"),
        Column("shots", "Shots"),
        Column("fewer_shots", "fewer for"),
        Column("too_long", "no room for"),
        Column("data", "Items from"),
        Column("episodes", "Answers"),
    ]
    rows: list[dict[str, Cell]] = []
    for benchmark in benchmark_names(inputs):
        fixed = baseline(inputs, benchmark)
        for model, title in MODELS.items():
            row: dict[str, Cell] = {"model": title, "benchmark": names.get(benchmark, benchmark), "episodes": ""}
            if isinstance(fixed, Baseline):
                row |= {"constant": fixed.constant, "reference": fixed.reference}
            else:
                row |= {"constant": fixed, "reference": fixed}
            match score(inputs, model, benchmark):
                case Missing() as missing:
                    row["score"] = missing
                case result:
                    fields = ("error", "strict", "asked", "items", "shots", "fewer_shots", "too_long", "data")
                    row |= {key: getattr(result, key) for key in fields}
                    row |= {"score": result.value, "episodes": opens(model, benchmark)}
            rows.append(row)
    notes = [
        "Score: by the rule of the paper's own script, for comparison. Strict rule: corrects that script's flaws (a "
        "dash: both rules are the same). "
        "s.e.: standard error over the items asked. Fewer for: items whose prompt did not fit all shots. "
        "No room for: items whose prompt leaves no room for an answer; they count as wrong. "
        "Guessing scores 25 % on MMLU. BBH: the paper's script strips punctuation; some targets of dyck_languages "
        "are nothing else, so an empty answer passes there. Answers: the prompts, answers and verdicts of all items."
    ]
    constants = [
        f"{names.get(benchmark, benchmark)} {_quoted(fixed.text)}"
        for benchmark in benchmark_names(inputs)
        if isinstance(fixed := baseline(inputs, benchmark), Baseline) and fixed.constant
    ]
    if constants:
        notes.append(
            "Best constant answer: what the same text scores as the answer to every item asked, by the rule of the "
            f"first column: {', '.join(constants)}; elsewhere none scores. Reference answers: the benchmark's own, "
            "through the same extraction and scoring; MBPP's script leaves out the set-up code that some of them need."
        )
    return Table(columns, rows, notes)


def _quoted(text: str) -> str:
    return f"“{text}”" if text else "an empty answer"


def draw(table: Table, inputs: Inputs, paper: PaperTables, path: Path) -> None:
    """Plot one panel per benchmark: the paper's models grey, its Lemur rows darker, ours coloured with ± 1 s.e."""
    from lemur.pages.figures import OURS, name_rows, picture

    names = [str(row["model"]) for row in table.rows]
    with picture(
        path, 12, 8.4, "Table 3: scores in percent, the paper's nine models and our three (± 1 standard error)"
    ) as figure:
        panels = figure.subplots(2, -(-len(paper.table3.benchmarks) // 2), sharey=True).flat
        for axes, benchmark in zip(panels, paper.table3.benchmarks, strict=True):
            key = benchmark.key
            name_rows(axes, names)
            axes.set_title(benchmark.name + _remark(inputs, key), pad=12)  # room for "guessing"
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


def _remark(inputs: Inputs, benchmark: str) -> str:
    """A remark for a benchmark's title if our models answered a sample of our own, or not all items."""
    scores = [result for model in MODELS if isinstance(result := score(inputs, model, benchmark), Score)]
    if not scores:
        return ""
    if any(each.sample for each in scores):
        return f" (ours: a sample, {scores[0].asked} items)"
    return f" (ours: {scores[0].asked} of {scores[0].items})" if scores[0].asked < scores[0].items else ""


def _error(inputs: Inputs, name: str, benchmark: str) -> float | None:
    model = next((model for model, title in MODELS.items() if name == f"{title} (ours)"), None)
    result = score(inputs, model, benchmark) if model else None
    return result.error if isinstance(result, Score) else None
