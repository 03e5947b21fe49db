"""The way of the instruction data: of each source what was read, what each stage dropped and why, what is left."""

from collections import Counter

from lemur.records import Record
from lemur.reporting.blocks import Cell, Column, Table, number

STAGES = {
    "normalise": "normalise",
    "english_filter": "English filter",
    "semantic_dedup_text": "near-duplicates (text)",
    "semantic_dedup_code": "near-duplicates (code)",
    "mix_instructions": "mix",
    "encode_instructions": "encode",
}
"""Stage reports in the order in which a conversation meets them, and their heads in the table."""


def table(stages: dict[str, Record]) -> Table:
    """One row a source and one for all; read = the dropped ones + out."""
    present = {name: stages[name] for name in STAGES if name in stages}
    sources = sorted({source for report in present.values() for source in report["sources"]})
    columns = [Column("source", "Source"), Column("read", "Read")]
    columns += [Column(name, STAGES[name]) for name in present]
    columns += [Column("out", "Out"), Column("reasons", "Dropped because")]
    rows = [_row(source, [source], present) for source in sources]
    if rows:
        rows.append(_row("all", sources, present))
    notes = ["Records read and conversations dropped by each stage; an OASST1 tree gives many conversations."]
    return Table(columns, rows, notes)


def _row(title: str, sources: list[str], stages: dict[str, Record]) -> dict[str, Cell]:
    row: dict[str, Cell] = {"source": title}
    reasons: Counter[str] = Counter()
    for name, report in stages.items():
        met = [report["sources"][source] for source in sources if source in report["sources"]]
        if "read" not in row and met:
            row["read"] = sum(counts["in"] for counts in met)
        for counts in met:
            reasons.update(counts["dropped"])
        row[name] = sum(sum(counts["dropped"].values()) for counts in met) if met else None
        row["out"] = sum(counts["out"] for counts in met) if met else row.get("out")
    by_size = sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
    row["reasons"] = ", ".join(f"{reason} {number(count)}" for reason, count in by_size) or None
    return row
