"""Differences between our models on the same items, from the stage `comparisons`."""

from collections.abc import Iterator

from lemur.core.records import Record
from lemur.pages.page_parts import Cell, Column, Missing, Table
from lemur.reporting.agents.ours import STAGES
from lemur.reporting.inputs import MODELS, Inputs
from lemur.reporting.paper import PaperTables
from lemur.reporting.scores import METRICS, benchmark_names


def table(inputs: Inputs, paper: PaperTables) -> Table:
    """One row per pair of models and benchmark, by the rule of Table 3."""
    names = STAGES | {benchmark.key: benchmark.name for benchmark in paper.table3.benchmarks}
    columns = [
        Column("models", "Models"),
        Column("benchmark", "Benchmark"),
        Column("difference", "Difference, points"),
        Column("error", "± s.e."),
        Column("better", "Only the first right"),
        Column("worse", "Only the second right"),
        Column("p", "p", 3),
        Column("items", "Items"),
        Column("clusters", "in groups"),
    ]
    rows: list[dict[str, Cell]] = []
    for record in comparisons(inputs):
        model, against, benchmark, error = (record[key] for key in ("model", "against", "benchmark", "error"))
        rows.append(
            {
                "models": f"{MODELS.get(model, model)} and {MODELS.get(against, against)}",
                "benchmark": names.get(benchmark, benchmark),
                "difference": 100 * record["difference"],
                "error": Missing("one group only") if error is None else 100 * error,
                **{key: record[key] for key in ("better", "worse", "p", "items", "clusters")},
            }
        )
    notes = [
        "Difference: share of right answers of the first model minus the second's, over the same items. s.e.: its "
        "standard error, with the items of a group (subject, task, database, library, or one problem in several "
        "languages) taken as one draw. p: McNemar's exact test on the items that only one of the two answered rightly."
    ]
    return Table(columns, rows, notes if rows else ["No two models were asked the same items."])


def comparisons(inputs: Inputs) -> Iterator[Record]:
    """Those by the rule of Table 3, in the order of its benchmarks."""
    pairs = dict.fromkeys((record["model"], record["against"]) for record in inputs.comparisons)
    for pair in pairs:
        for benchmark in benchmark_names(inputs):
            metric = METRICS.get(benchmark)
            wanted = ("paper", "none", f"{metric},paper", f"{metric},none")
            for record in inputs.comparisons:
                key = (record["model"], record["against"], record["benchmark"])
                if key == (*pair, benchmark) and record["rule"] in wanted:
                    yield record
