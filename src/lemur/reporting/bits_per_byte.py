"""Bits per byte of the three models on held-out code and text, compared with a unigram model."""

from pathlib import Path

from lemur.pages.figures import CODE, TEXT, picture, write_reason
from lemur.pages.page_parts import Cell, Column, Missing, Table
from lemur.reporting.inputs import MODELS, Inputs
from lemur.reporting.scores import bits


def table(inputs: Inputs) -> Table:
    """One row for code, one for text and one per source; one column per model and one for the unigram baseline."""
    columns = [Column("source", "Held-out"), Column("bytes", "Bytes"), Column("unigram", "Unigram", 3)]
    columns += [Column(model, title, 3) for model, title in MODELS.items()]
    by_model = {model: bits(inputs, model) for model in MODELS}
    names = {name for rows in by_model.values() if not isinstance(rows, Missing) for name in rows}
    ordered = [name for name in ("code", "text") if name in names] + sorted(names - {"code", "text"})
    table: list[dict[str, Cell]] = []
    for name in ordered or ["code", "text"]:
        row: dict[str, Cell] = {"source": name}
        for model, rows in by_model.items():
            if isinstance(rows, Missing):
                row[model] = rows
            elif name in rows:
                row[model] = rows[name]["bits_per_byte"]
                row |= {key: rows[name][key] for key in ("unigram", "bytes") if rows[name][key] is not None}
            else:
                row[model] = Missing("no held-out documents")
        table.append(row)
    return Table(
        columns,
        table,
        [
            "Bits per byte of held-out documents: lower is better. Unigram: a model that knows only how frequent each "
            "token is. It is fitted to the held-out text itself, so no unigram model can be better; the shorter the "
            "text, the more this flatters it."
        ],
    )


def draw(table: Table, path: Path) -> None:
    """Plot code and text: the three models in order of training, joined by a line, with the unigram baseline."""
    rows = {row["source"]: row for row in table.rows}
    with picture(path, 4.6, 3.6, "Bits per byte, held out: lower is better") as figure:
        for axes, (name, color) in zip(
            figure.subplots(1, 2, sharey=True), (("code", CODE), ("text", TEXT)), strict=True
        ):
            row = rows.get(name, {})
            measured = [(x, value) for x, model in enumerate(MODELS) if isinstance(value := row.get(model), float)]
            axes.set_title(name)
            if not measured:
                reason = next((cell.reason for cell in row.values() if isinstance(cell, Missing)), "not measured")
                write_reason(axes, reason)
                continue
            axes.plot(*zip(*measured, strict=True), "o-", color=color, linewidth=1.8)
            unigram = row.get("unigram")
            for x, value in measured:
                # Away from the unigram line, so that it crosses no label.
                below = isinstance(unigram, float) and value < unigram
                axes.annotate(
                    f"{value:.2f}",
                    (x, value),
                    (0, -8 if below else 8),
                    textcoords="offset points",
                    ha="center",
                    va="top" if below else "bottom",
                    color=color,
                )
            if isinstance(unigram, float):
                axes.axhline(unigram, color="#555555", linestyle="--", linewidth=1, label=f"unigram {unigram:.2f}")
                axes.legend(loc="lower left", labelcolor="#555555")
            axes.set_xticks(range(len(MODELS)), list(MODELS.values()))
            axes.set_xlim(-0.4, 2.4)
            top = max([value for _, value in measured] + ([unigram] if isinstance(unigram, float) else []))
            axes.set_ylim(0, top * 1.15)
        figure.axes[0].set_ylabel("bits per byte")
