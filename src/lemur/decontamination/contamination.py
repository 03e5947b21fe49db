"""Report which benchmarks the training data was compared with, and the overlaps."""

from lemur.core.records import Record
from lemur.pages.blocks import Cell, Column, Table

STAGES = {"mix_instructions": "instructions", "decontaminate_corpus": "corpus"}
PLACES = {
    "bundled": "a small sample written for this project, not the benchmark itself",
    "package": "what a published package has of it, which may be a part",
    "mirror": "the original files, or what could be copied of them",
    "hub": "the original files",
}
"""How much of a benchmark the data was compared with, by the place it was fetched from."""


def place_notes(report: Record) -> list[str]:
    """One sentence per place in a stage's report: what the place means, and which benchmarks come from it."""
    benchmarks = report["benchmarks"].items()
    by_place = {place: sorted(name for name, row in benchmarks if row["place"] == place) for place in PLACES}
    return [f"{place.capitalize()}: {PLACES[place]} ({', '.join(at)})." for place, at in by_place.items() if at]


def not_checked(report: Record) -> str:
    """The benchmarks in params.yaml with which the data was not compared, grouped by reason."""
    reasons = sorted(set(report["not_checked"].values()))
    by_reason = [
        f"{', '.join(sorted(name for name, why in report['not_checked'].items() if why == reason))} ({reason})"
        for reason in reasons
    ]
    return f"not checked: {'; '.join(by_reason) or 'none'}."


def table(stages: dict[str, Record]) -> Table:
    """One row per benchmark. The counts are pairs of a training record and a benchmark item that overlaps it."""
    reports = {name: stages[name] for name in STAGES if "benchmarks" in stages.get(name, {})}
    columns = [
        Column("benchmark", "Benchmark"),
        Column("place", "Place"),
        Column("items", "Items"),
        Column("uncheckable", "Too short to check"),
    ]
    for name in reports:
        columns += [
            Column(f"{name}_removed", f"Removed from {STAGES[name]}"),
            Column(f"{name}_reported", "only reported"),
            Column(f"{name}_below_share", "below the share"),
        ]
    columns += [Column("recall", "Planted: recall, %", 2), Column("precision", "precision, %", 2)]
    rows: list[dict[str, Cell]] = []
    for benchmark in sorted({name for report in reports.values() for name in report["benchmarks"]}):
        row: dict[str, Cell] = {"benchmark": benchmark}
        for name, report in reports.items():
            row |= {key: value for key, value in report["benchmarks"].get(benchmark, {}).items() if key != "unreadable"}
            pairs = report["overlaps"]["pairs"].get(benchmark, {})
            planted = report.get("planted", {}).get(benchmark, {})
            row |= {
                key: None if (share := planted.get(key)) is None else 100 * share for key in ("recall", "precision")
            }
            row |= {f"{name}_{kind}": pairs.get(kind, 0) for kind in ("removed", "reported", "below_share")}
        rows.append(row)
    notes = ["Pairs of a conversation or document and a benchmark item of which it holds n-grams."]
    notes.append(
        "Planted: recall on items of this build in the forms in which people store them, and precision against "
        "mixtures of two items; the stages' reports have each form. Copies in other words cannot be found."
    )
    notes += dict.fromkeys(note for report in reports.values() for note in place_notes(report))
    notes += [f"{STAGES[name].capitalize()}, {not_checked(report)}" for name, report in reports.items()]
    return Table(columns, rows, notes)
