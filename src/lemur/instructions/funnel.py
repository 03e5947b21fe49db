"""The way of the instruction data: of each source what was read, what each stage dropped and why, what is left."""

from collections import Counter

from lemur.core.records import Record
from lemur.pages.blocks import Cell, Column, Table, by_size, tally

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
    row["reasons"] = tally(by_size(reasons)) or None
    return row


def dropped(stages: dict[str, Record]) -> dict[str, dict[str, dict[str, int]]]:
    """{source: {stage: {rule: count}}} of what was dropped."""
    found: dict[str, dict[str, dict[str, int]]] = {}
    for stage in STAGES:
        for source, counts in stages.get(stage, {}).get("sources", {}).items():
            if counts["dropped"]:
                found.setdefault(source, {})[stage] = counts["dropped"]
    return found


def rules(stages: dict[str, Record]) -> Table:
    """The same, one row a source, stage and rule."""
    columns = [Column("source", "Source"), Column("stage", "Stage"), Column("rule", "Rule"), Column("count", "Count")]
    rows: list[dict[str, Cell]] = [
        {"source": source, "stage": stage, "rule": rule, "count": count}
        for source, by_stage in sorted(dropped(stages).items())
        for stage, by_rule in by_stage.items()
        for rule, count in sorted(by_rule.items())
    ]
    return Table(columns, rows)


def json(table: Table, stages: dict[str, Record]) -> Record:
    """The table with each source's `dropped` as a mapping {stage: {rule: count}} in place of the sentence."""
    everything = {stage: stages[stage]["dropped"] for stage in STAGES if stages.get(stage, {}).get("dropped")}
    found, written = {**dropped(stages), "all": everything}, table.json()
    for row in written["rows"]:
        del row["reasons"]
        row["dropped"] = found.get(row["source"], {})
    return written
