"""The results of `lemur eval` as text tables."""

from collections.abc import Iterator, Mapping, Sequence

from lemur.core.records import Record
from lemur.pages.page_parts import Cell, Column, Missing, Table
from lemur.reporting.scores import all_scores, is_sample

SCORES = [
    Column("benchmark", "benchmark"),
    Column("metric", "metric"),
    Column("score", "score", 4),
    Column("error", "± s.e.", 4),
    Column("items", "items"),
    Column("shots", "shots"),
]
DIFFERENCES = [
    Column("benchmark", "benchmark"),
    Column("rule", "rule"),
    Column("difference", "difference", 4),
    Column("error", "± s.e.", 4),
    Column("better", "better"),
    Column("worse", "worse"),
    Column("items", "items"),
    Column("p", "p", 3),
]


def scores(results: Mapping[str, Record]) -> list[str]:
    """A row for each metric and rule of each benchmark: the benchmark's own score, not those of its parts."""
    rows = [row for name, result in results.items() for row in _score_rows(name, result)]
    samples = [name for name, result in results.items() if is_sample(result, name)]
    written = f"Items written for this project, so no score of the benchmark's own: {', '.join(samples)}."
    return lines(Table(SCORES, rows, [written] if samples else []))


def differences(records: Sequence[Record]) -> list[str]:
    """`records` of `evaluate.compare`."""
    if not records:
        return ["No benchmark here has items that are right or wrong, so there is nothing to compare."]
    model, against = records[0]["model"], records[0]["against"]
    rows: list[dict[str, Cell]] = [{column.key: record[column.key] for column in DIFFERENCES} for record in records]
    note = (
        f"difference: {model} minus {against}, with its clustered standard error; better, worse: items that only "
        f"{model}, only {against} answered rightly; p: McNemar's exact test."
    )
    return lines(Table(DIFFERENCES, rows, [note]))


def lines(table: Table) -> list[str]:
    """The table in columns of equal width, then its notes."""
    cells, notes = table.formatted()
    rows = [[column.head for column in table.columns], *cells]
    widths = [max(len(row[index]) for row in rows) for index in range(len(table.columns))]
    numeric = table.numeric()
    padded = [
        "  ".join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, numeric, strict=True)
        ).rstrip()
        for row in rows
    ]
    return [*padded, *notes]


def _score_rows(name: str, result: Record) -> Iterator[dict[str, Cell]]:
    values = result["results"][name]
    if "skipped" in values:
        yield {"benchmark": name, "score": Missing(values["skipped"])}
        return
    count = result["n-samples"][name]
    asked, all_items = count["effective"], count["original"]
    for _, label, value, error in all_scores(result, name):
        yield {
            "benchmark": name,
            "metric": label,
            "score": value,
            "error": error,
            "items": f"{asked:,}" if asked == all_items else f"{asked:,} of {all_items:,}",
            "shots": result["n-shot"][name],
        }
