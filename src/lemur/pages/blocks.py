"""A report as a list of blocks, written as Markdown for GitHub and as one HTML file without outside addresses."""

import base64
import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from html import escape
from io import StringIO
from pathlib import Path

from lemur.core.records import Record

NONE = "\u2013"


@dataclass(frozen=True)
class Missing:
    """A value that is not there, and why. Shown as a dash with its reason in a note, never as zero."""

    reason: str


Cell = str | int | float | Missing | None


@dataclass(frozen=True)
class Column:
    """`key` in CSV and JSON, `head` for readers, `digits` after the point of a float."""

    key: str
    head: str
    digits: int = 1


@dataclass(frozen=True)
class Table:
    columns: list[Column]
    rows: list[dict[str, Cell]]
    notes: list[str] = field(default_factory=list)
    slips: list[tuple[int, str, str]] = field(default_factory=list)
    """Cells (row, column key) that the paper itself contradicts, marked with a dagger, and what is wrong."""

    def csv(self) -> str:
        """Raw values; an empty cell where a value is missing, its reason in the last column."""
        text = StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([*(column.key for column in self.columns), "missing"])
        for row in self.rows:
            cells = [row.get(column.key) for column in self.columns]
            reasons = [
                f"{c.key}: {v.reason}" for c, v in zip(self.columns, cells, strict=True) if isinstance(v, Missing)
            ]
            writer.writerow([*("" if c is None or isinstance(c, Missing) else c for c in cells), "; ".join(reasons)])
        return text.getvalue()

    def json(self) -> Record:
        def plain(cell: Cell) -> object:
            return {"missing": cell.reason} if isinstance(cell, Missing) else cell

        rows = [{column.key: plain(row.get(column.key)) for column in self.columns} for row in self.rows]
        slips = [{"row": row, "column": column, "slip": text} for row, column, text in self.slips]
        return {"rows": rows, "notes": self.notes, "slips": slips}

    def shown(self) -> tuple[list[list[str]], list[str]]:
        """Cells as readers see them, and the notes: the table's own, then one for each reason of a missing value."""
        reasons: list[str] = []

        def show(cell: Cell, digits: int) -> str:
            if isinstance(cell, Missing):
                if cell.reason not in reasons:
                    reasons.append(cell.reason)
                return f"{NONE} ({_letter(reasons.index(cell.reason))})"
            return number(cell, digits)

        marked = {(row, column) for row, column, _ in self.slips}
        rows = [
            [show(row.get(c.key), c.digits) + (" †" if (index, c.key) in marked else "") for c in self.columns]
            for index, row in enumerate(self.rows)
        ]
        return rows, [
            *self.notes,
            *(f"† {text}" for *_, text in self.slips),
            *(f"({_letter(i)}) {reason}" for i, reason in enumerate(reasons)),
        ]

    def is_number(self, column: Column) -> bool:
        cells = [row.get(column.key) for row in self.rows]
        return not any(isinstance(cell, str) for cell in cells)


@dataclass(frozen=True)
class Heading:
    text: str
    level: int = 2


@dataclass(frozen=True)
class Text:
    text: str


@dataclass(frozen=True)
class Picture:
    """`file` lies beside the report; `alt` says what it shows."""

    file: str
    alt: str


Block = Heading | Text | Picture | Table


def number(cell: str | int | float | None, digits: int = 1) -> str:
    """Thousands separated, floats with `digits` decimals, or as many as show more than 0; a dash for None."""
    if cell is None:
        return NONE
    if isinstance(cell, str):
        return cell
    if isinstance(cell, int):
        return f"{cell:,}"
    return f"{cell:.1g}" if cell and abs(cell) < 0.5 * 10**-digits else f"{cell:,.{digits}f}"


def by_size(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """Names and counts, the largest first, equal ones by name; none of 0."""
    return sorted(((name, count) for name, count in counts.items() if count), key=lambda item: (-item[1], item[0]))


def tally(counts: Iterable[tuple[str, int]]) -> str:
    """`too_short 1,200, licence 9`, in the order given."""
    return ", ".join(f"{name} {number(count)}" for name, count in counts)


def markdown(blocks: list[Block]) -> str:
    return "\n\n".join(_markdown(block) for block in blocks) + "\n"


def html(blocks: list[Block], folder: Path, title: str) -> str:
    """One self-contained page; pictures are read from `folder` and embedded."""
    body = "\n".join(_html(block, folder) for block in blocks)
    return (
        f'<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8"><title>{escape(title)}</title>\n'
        f"<style>{_STYLE}</style></head>\n<body>\n{body}\n</body>\n</html>\n"
    )


_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:64rem;margin:2rem auto;padding:0 1rem;color:#222}"
    "table{border-collapse:collapse;font-size:.9rem}td,th{padding:.2rem .6rem;"
    "border-bottom:1px solid #ddd;text-align:left}"
    "td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}"
    "img{max-width:100%}p.note{font-size:.85rem;color:#555;margin:.2rem 0}"
    "div.wide{overflow-x:auto}"
)


def _letter(index: int) -> str:
    return chr(ord("a") + index) if index < 26 else str(index + 1)


def _pipe(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _markdown(block: Block) -> str:
    match block:
        case Heading(text, level):
            return f"{'#' * level} {text}"
        case Text(text):
            return text
        case Picture(file, alt):
            return f"![{alt}]({file})"
        case Table():
            rows, notes = block.shown()
            lines = ["| " + " | ".join(_pipe(column.head) for column in block.columns) + " |"]
            lines.append("|" + "|".join("---:" if block.is_number(column) else "---" for column in block.columns) + "|")
            lines += ["| " + " | ".join(_pipe(cell) for cell in row) + " |" for row in rows]
            return "\n".join(lines) + "".join(f"\n\n{note}" for note in notes)


def _html(block: Block, folder: Path) -> str:
    match block:
        case Heading(text, level):
            return f"<h{level}>{escape(text)}</h{level}>"
        case Text(text):
            return "\n".join(f"<p>{escape(part)}</p>" for part in text.split("\n\n"))
        case Picture(file, alt):
            data = base64.b64encode((folder / file).read_bytes()).decode()
            return f'<img alt="{escape(alt)}" src="data:image/png;base64,{data}">'
        case Table():
            rows, notes = block.shown()
            kinds = [' class="n"' if block.is_number(column) else "" for column in block.columns]
            head = "".join(f"<th{k}>{escape(c.head)}</th>" for c, k in zip(block.columns, kinds, strict=True))
            body = "\n".join(
                "<tr>" + "".join(f"<td{k}>{escape(c)}</td>" for c, k in zip(row, kinds, strict=True)) + "</tr>"
                for row in rows
            )
            table = f'<div class="wide"><table>\n<tr>{head}</tr>\n{body}\n</table></div>'
            return table + "".join(f'\n<p class="note">{escape(note)}</p>' for note in notes)
