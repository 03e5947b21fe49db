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


def draw(inputs: Inputs, paper: PaperTables, path: Path) -> None:
    """Plot one row per benchmark: a tick for each model of the paper, its Lemur rows darker, and a point with ± 1 s.e.
    for each of ours.

    The size fits a phone: 390 pixels wide, the page shows it at 358 x 304 with letters of 11 pixels.
    """
    from lemur.pages.figures import BLUE, ORANGE, VERMILION, picture

    benchmarks = paper.table3.benchmarks
    colors = dict(zip(MODELS, (BLUE, ORANGE, VERMILION), strict=True))
    dark = {"Lemur-70B": "#6E6E6E", "Lemur-70B-Chat": "#000000"}
    with picture(path, 4.9, 4.16, "Table 3: scores in % (± 1 s.e.; dotted: guessing)") as figure:
        axes = figure.subplots()
        axes.set_xlim(0, 100)
        axes.set_ylim(len(benchmarks), 0)
        axes.set_yticks([])
        axes.tick_params(axis="x", labelsize=11, length=0)
        axes.spines[["left", "bottom"]].set_visible(False)
        for top, benchmark in enumerate(benchmarks):
            if benchmark.key == "mmlu":
                axes.vlines(25, top + 0.5, top + 1, color="#000000", linewidth=1.2, linestyle=":", zorder=3)
            blank = {"color": "white", "pad": 0}  # no grid lines through the words, but below all marks
            title = benchmark.name + _remark(inputs, benchmark.key)
            axes.text(0, top + 0.4, title, fontsize=11, bbox=blank, zorder=0.6)
            for row in sorted(paper.table3.rows, key=lambda row: row.model in dark):
                value = paper.table3.scores(row.model)[benchmark.key]
                axes.vlines(value, top + 0.52, top + 0.96, color=dark.get(row.model, "#BDBDBD"), linewidth=2.5)
            for lane, (model, color) in enumerate(colors.items()):
                y = top + 0.58 + 0.16 * lane
                match score(inputs, model, benchmark.key):
                    case Score(value=value, error=error):
                        axes.hlines(y, value - (error or 0), value + (error or 0), color=color, linewidth=1.5)
                        axes.plot(value, y, "o", color=color, markersize=5, clip_on=False)
        for model, color in colors.items():
            axes.plot([], [], "o", color=color, markersize=5, label=f"{MODELS[model]} (ours)")
        for name, color in (*dark.items(), ("seven others", "#BDBDBD")):
            axes.plot([], [], "|", color=color, markersize=10, markeredgewidth=2.5, label=name)
        handles, labels = axes.get_legend_handles_labels()
        order = [0, 3, 1, 4, 2, 5]  # a legend fills its columns one by one: ours above, the paper's below
        figure.legend(
            [handles[i] for i in order],
            [labels[i] for i in order],
            loc="outside lower left",
            ncols=3,
            fontsize=11,
            handlelength=0.6,
            handletextpad=0.4,
            columnspacing=0.8,
            labelspacing=0.2,
            borderpad=0,
        )


def _remark(inputs: Inputs, benchmark: str) -> str:
    """A remark for a benchmark's title if our models answered a sample of our own, not all items, or lack a score."""
    results = [score(inputs, model, benchmark) for model in MODELS]
    scores = [result for result in results if isinstance(result, Score)]
    missing = [result.reason for result in results if isinstance(result, Missing)]
    if not scores:
        return f" (ours: {'skipped' if all('skipped' in reason for reason in missing) else 'no score'})"
    remarks = []
    if any(each.sample for each in scores):
        remarks.append(f"a sample of {scores[0].asked}")
    elif scores[0].asked < scores[0].items:
        remarks.append(f"{scores[0].asked} of {scores[0].items}")
    if missing:
        remarks.append(f"{len(missing)} of {len(results)} unscored")
    return f" (ours: {'; '.join(remarks)})" if remarks else ""
