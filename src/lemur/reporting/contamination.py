"""Which benchmarks the training data was compared with, and what was found in it."""

from lemur.records import Record
from lemur.reporting.blocks import Cell, Column, Table

STAGES = {"mix_instructions": "instructions", "decontaminate_corpus": "corpus"}


def table(stages: dict[str, Record]) -> Table:
    """One row a benchmark; found: pairs of a training record and an item that it holds."""
    reports = {name: stages[name] for name in STAGES if "benchmarks" in stages.get(name, {})}
    columns = [Column("benchmark", "Benchmark"), Column("items", "Items"), Column("uncheckable", "Too short to check")]
    for name in reports:
        columns += [
            Column(f"{name}_removed", f"Removed from {STAGES[name]}"),
            Column(f"{name}_reported", "only reported"),
            Column(f"{name}_below_share", "below the share"),
        ]
    rows: list[dict[str, Cell]] = []
    for benchmark in sorted({found for report in reports.values() for found in report["benchmarks"]}):
        row: dict[str, Cell] = {"benchmark": benchmark}
        for name, report in reports.items():
            row |= {key: report["benchmarks"].get(benchmark, {}).get(key) for key in ("items", "uncheckable")}
            pairs = report["overlaps"]["pairs"].get(benchmark, {})
            row |= {f"{name}_{kind}": pairs.get(kind, 0) for kind in ("removed", "reported", "below_share")}
        rows.append(row)
    return Table(columns, rows, ["Pairs of a conversation or document and a benchmark item of which it holds n-grams."])
