"""How many duplicates planted in this build's documents `dedup_corpus` found, and what it joined by mistake."""

from lemur.core.records import Record
from lemur.pages.page_parts import Cell, Column, Table


def table(stages: dict[str, Record]) -> Table:
    """One row per kind of copy and one for all; then the kinds that are not copies and should not be found."""
    columns = [
        Column("kind", "Planted"),
        Column("copy", "Duplicate"),
        Column("planted", "Documents"),
        Column("found", "Found"),
        Column("recall", "Recall, %", 2),
        Column("precision", "Precision, %", 2),
    ]
    planted: Record | None = stages.get("dedup_corpus", {}).get("planted")
    if not planted:
        return Table(columns, [], ["There is no report of dedup_corpus, or it planted nothing (dedup_corpus.planted)."])
    rows: list[dict[str, Cell]] = [
        {
            "kind": kind,
            "copy": "yes",
            "planted": row["planted"],
            "found": row["found"],
            "recall": 100 * row["recall"],
        }
        for kind, row in planted["copies"].items()
    ]
    rows.append(
        {
            "kind": "all copies",
            "copy": "yes",
            "planted": sum(row["planted"] for row in planted["copies"].values()),
            "found": sum(row["found"] for row in planted["copies"].values()),
            "recall": None if planted["recall"] is None else 100 * planted["recall"],
            "precision": None if planted["precision"] is None else 100 * planted["precision"],
        }
    )
    rows += [
        {"kind": kind, "copy": "no", "planted": row["planted"], "found": row["joined"]}
        for kind, row in planted["others"].items()
    ]
    notes = [
        f"Copies of {planted['documents']} documents of this corpus. Precision covers all joined pairs. "
        "A row that is not a duplicate counts documents joined by mistake."
    ]
    return Table(columns, rows, notes)
