"""How many records entered each stage, how many left it, and why the others were dropped."""

from collections import Counter
from pathlib import Path

from lemur.core.records import Record
from lemur.pages.figures import BLUE, ORANGE, name_rows, picture, write_reason
from lemur.pages.page_parts import Cell, Column, Table, by_size, number, tally

ORDER = (  # noqa: SIM905
    "normalise english_filter embed_instructions semantic_dedup_text semantic_dedup_code mix_instructions "
    "encode_instructions clean_corpus dedup_corpus decontaminate_corpus split_corpus tokenizer tokenize_corpus "
    "mix_corpus_base mix_corpus_lemur pack_corpus_base pack_corpus_lemur"
).split()
"""Stages in the order of the data flow; any other stage comes after these."""


def counting(stages: dict[str, Record]) -> dict[str, Record]:
    """The reports that count records, in the order of the DAG."""
    names = sorted(stages, key=lambda name: (ORDER.index(name) if name in ORDER else len(ORDER), name))
    return {
        name: stages[name] for name in names if {"in", "out", "dropped"} <= stages[name].keys() and stages[name]["in"]
    }


def table(stages: dict[str, Record]) -> Table:
    columns = [
        Column("stage", "Stage"),
        Column("in", "In"),
        Column("dropped", "Dropped"),
        Column("out", "Out"),
        Column("reasons", "Dropped because"),
    ]
    rows: list[dict[str, Cell]] = [
        {
            "stage": name,
            "in": report["in"],
            "dropped": sum(report["dropped"].values()),
            "out": report["out"],
            "reasons": tally(by_size(report["dropped"])) or None,
        }
        for name, report in counting(stages).items()
    ]
    notes = [
        "Records are conversations or documents. In every row, in = dropped + out; "
        "the stage's report has the counts per source."
    ]
    replaced: Counter[str] = Counter()
    for kinds in stages.get("clean_corpus", {}).get("redacted", {}).values():
        replaced.update(kinds)
    if replaced:
        notes.append(
            f"clean_corpus replaced personal data in the documents it kept: {tally(sorted(replaced.items()))}."
        )
    return Table(columns, rows, notes)


def draw(stages: dict[str, Record], path: Path) -> None:
    """Plot one bar per stage: the shares kept and dropped, with the most frequent reasons."""
    rows = counting(stages)
    with picture(path, 10, 1.2 + 0.34 * max(len(rows), 3), "Records kept and dropped by each stage, %") as figure:
        kept_axes, reason_axes = figure.subplots(1, 2, width_ratios=[3, 2], sharey=True)
        if not rows:
            write_reason(kept_axes, "no stage has reported counts")
            reason_axes.set_axis_off()
            return
        name_rows(kept_axes, list(rows))
        kept_axes.set_xlim(0, 100)
        reason_axes.set_xlim(0, 1)
        for y, report in enumerate(rows.values()):
            kept = 100 * report["out"] / report["in"]
            kept_axes.barh(y, kept, 0.7, color=BLUE)
            kept_axes.barh(y, 100 - kept, 0.7, left=kept, color=ORANGE)
            reasons = by_size(report["dropped"])
            shown = tally(reasons[:2]) + (f", +{len(reasons) - 2} more" if len(reasons) > 2 else "")
            reason_axes.text(
                0,
                y,
                f"{number(report['in'])} in, {number(report['out'])} out" + (f": {shown}" if shown else ""),
                va="center",
                fontsize=7.5,
            )
        kept_axes.set_xlabel("kept (blue), dropped (orange)")
        reason_axes.set_axis_off()
