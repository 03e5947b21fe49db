"""The funnel of the instruction data: for each source, records read, dropped by each stage and why, and left."""

from collections import Counter

from lemur.core.records import Record
from lemur.pages.page_parts import Cell, Column, Table, by_size, tally

STAGES = {
    "normalise": "normalise",
    "english_filter": "English filter",
    "semantic_dedup_text": "near-duplicates (text)",
    "semantic_dedup_code": "near-duplicates (code)",
    "mix_instructions": "mix",
    "encode_instructions": "encode",
}
"""Stages in the order in which a conversation passes them, with their column titles."""


def table(stages: dict[str, Record]) -> Table:
    """One row per source and one for all; read = dropped + out."""
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
        by_source = [report["sources"][source] for source in sources if source in report["sources"]]
        if "read" not in row and by_source:
            row["read"] = sum(counts["in"] for counts in by_source)
        for counts in by_source:
            reasons.update(counts["dropped"])
        row[name] = sum(sum(counts["dropped"].values()) for counts in by_source) if by_source else None
        row["out"] = sum(counts["out"] for counts in by_source) if by_source else row.get("out")
    row["reasons"] = tally(by_size(reasons)) or None
    return row


def dropped(stages: dict[str, Record]) -> dict[str, dict[str, dict[str, int]]]:
    """Dropped conversations as {source: {stage: {rule: count}}}."""
    by_source: dict[str, dict[str, dict[str, int]]] = {}
    for stage in STAGES:
        for source, counts in stages.get(stage, {}).get("sources", {}).items():
            if counts["dropped"]:
                by_source.setdefault(source, {})[stage] = counts["dropped"]
    return by_source


def rules(stages: dict[str, Record]) -> Table:
    """The same as a table with one row per source, stage and rule."""
    columns = [Column("source", "Source"), Column("stage", "Stage"), Column("rule", "Rule"), Column("count", "Count")]
    rows: list[dict[str, Cell]] = [
        {"source": source, "stage": stage, "rule": rule, "count": count}
        for source, by_stage in sorted(dropped(stages).items())
        for stage, by_rule in by_stage.items()
        for rule, count in sorted(by_rule.items())
    ]
    return Table(columns, rows)


def json(table: Table, stages: dict[str, Record]) -> Record:
    """The table as JSON; `dropped`, a mapping {stage: {rule: count}}, replaces each row's sentence of reasons."""
    totals = {stage: stages[stage]["dropped"] for stage in STAGES if stages.get(stage, {}).get("dropped")}
    by_source, result = {**dropped(stages), "all": totals}, table.json()
    for row in result["rows"]:
        del row["reasons"]
        row["dropped"] = by_source.get(row["source"], {})
    return result
