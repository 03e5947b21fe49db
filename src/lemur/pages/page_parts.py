"""A page as a list of blocks, and as Markdown for GitHub; lemur.pages.html renders it as HTML."""

import csv
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from io import StringIO
from textwrap import indent

from lemur.core.records import Record

NONE = "\u2013"


@dataclass(frozen=True)
class Missing:
    """A missing value and the reason. Shown as a dash with the reason in a note, never as zero."""

    reason: str


@dataclass(frozen=True)
class Link:
    """A text that opens `href`, a relative address."""

    text: str
    href: str


Cell = str | int | float | Link | Missing | None


@dataclass(frozen=True)
class Column:
    """`key` names the column in CSV and JSON, `head` is its heading, `digits` the number of decimals of its floats."""

    key: str
    head: str
    digits: int = 1


@dataclass(frozen=True)
class Table:
    columns: list[Column]
    rows: list[dict[str, Cell]]
    notes: list[str] = field(default_factory=list)
    slips: list[tuple[int, str, str]] = field(default_factory=list)
    """Cells that the paper itself contradicts: row, column key and what is wrong. They are marked with a dagger."""

    def csv(self) -> str:
        """Raw values. A missing value leaves its cell empty and its reason in the last column."""
        text = StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([*(column.key for column in self.columns), "missing"])
        for row in self.rows:
            cells = [row.get(column.key) for column in self.columns]
            reasons = [
                f"{c.key}: {v.reason}" for c, v in zip(self.columns, cells, strict=True) if isinstance(v, Missing)
            ]
            writer.writerow([*map(_raw, cells), "; ".join(reasons)])
        return text.getvalue()

    def json(self) -> Record:
        def plain(cell: Cell) -> object:
            if isinstance(cell, Missing):
                return {"missing": cell.reason}
            return cell.href if isinstance(cell, Link) else cell

        rows = [{column.key: plain(row.get(column.key)) for column in self.columns} for row in self.rows]
        slips = [{"row": row, "column": column, "slip": text} for row, column, text in self.slips]
        return {"rows": rows, "notes": self.notes, "slips": slips}

    def formatted(self) -> tuple[list[list[str]], list[str]]:
        """Rows of cells as text, and the notes: the table's own, its slips, and the reasons for missing values."""
        reasons: list[str] = []

        def text_of(cell: Cell, digits: int) -> str:
            if isinstance(cell, Missing):
                if cell.reason not in reasons:
                    reasons.append(cell.reason)
                return f"{NONE} ({_letter(reasons.index(cell.reason))})"
            return cell.text if isinstance(cell, Link) else number(cell, digits)

        marked = {(row, column) for row, column, _ in self.slips}
        rows = [
            [text_of(row.get(c.key), c.digits) + (" †" if (index, c.key) in marked else "") for c in self.columns]
            for index, row in enumerate(self.rows)
        ]
        return rows, [
            *self.notes,
            *(f"† {text}" for *_, text in self.slips),
            *(f"({_letter(i)}) {reason}" for i, reason in enumerate(reasons)),
        ]

    def links(self) -> list[list[str | None]]:
        """For each cell of `formatted`, what it opens."""
        cells = [[row.get(column.key) for column in self.columns] for row in self.rows]
        return [[cell.href if isinstance(cell, Link) else None for cell in row] for row in cells]

    def numeric(self) -> list[bool]:
        """For each column, whether none of its cells is text."""
        return [not any(isinstance(row.get(column.key), str | Link) for row in self.rows) for column in self.columns]


@dataclass(frozen=True)
class Heading:
    text: str
    level: int = 2


@dataclass(frozen=True)
class Text:
    """Paragraphs; with `href` a link."""

    text: str
    href: str | None = None


@dataclass(frozen=True)
class Picture:
    """`file` is beside the page; `alt` describes the picture."""

    file: str
    alt: str


@dataclass(frozen=True)
class Code:
    """A text whose lines stay as they are, under a title."""

    title: str
    text: str


@dataclass(frozen=True)
class Row:
    """Blocks beside each other, where the page has room."""

    blocks: "list[Picture] | list[Code]"


@dataclass(frozen=True)
class Folded:
    """A table that is shown when its title is opened."""

    title: str
    table: Table


@dataclass(frozen=True)
class Contents:
    """Links to the page's headings of level 2."""


Part = Heading | Text | Picture | Table | Code | Row | Folded
Block = Part | Contents


def number(cell: str | int | float | None, digits: int = 1) -> str:
    """With thousands separators; floats with `digits` decimals, or one significant digit where that would show 0; a
    dash for None."""
    if cell is None:
        return NONE
    if isinstance(cell, str):
        return cell
    if isinstance(cell, int):
        return f"{cell:,}"
    return f"{cell:.1g}" if cell and abs(cell) < 0.5 * 10**-digits else f"{cell:,.{digits}f}"


def by_size(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """Names and counts in descending order, ties by name, zeros left out."""
    return sorted(((name, count) for name, count in counts.items() if count), key=lambda item: (-item[1], item[0]))


def tally(counts: Iterable[tuple[str, int]]) -> str:
    """`too_short 1,200, licence 9`, in the given order."""
    return ", ".join(f"{name} {number(count)}" for name, count in counts)


def contents(blocks: Iterable[Block]) -> list[Link]:
    """Links to the headings of level 2."""
    return [
        Link(block.text, f"#{anchor(block.text)}")
        for block in blocks
        if isinstance(block, Heading) and block.level == 2
    ]


def anchor(heading: str) -> str:
    """As GitHub names a heading."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def markdown(blocks: list[Block]) -> str:
    links = " · ".join(f"[{link.text}]({link.href})" for link in contents(blocks))
    return "\n\n".join(links if isinstance(block, Contents) else _markdown(block) for block in blocks) + "\n"


def _raw(cell: Cell) -> str | int | float:
    if cell is None or isinstance(cell, Missing):
        return ""
    return cell.href if isinstance(cell, Link) else cell


def _letter(index: int) -> str:
    return chr(ord("a") + index) if index < 26 else str(index + 1)


def _pipe(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _markdown(block: Part) -> str:
    match block:
        case Heading(text, level):
            return f"{'#' * level} {text}"
        case Text(text, href):
            return f"[{text}]({href})" if href else text
        case Picture(file, alt):
            return f"![{alt}]({file})"
        case Code(title, text):
            return f"{title}:\n\n" + indent(text, "    ", lambda _: True)
        case Row(blocks):
            return "\n\n".join(_markdown(each) for each in blocks)
        case Folded(title, table):
            return f"<details><summary>{title}</summary>\n\n{_markdown(table)}\n\n</details>"
        case Table():
            rows, notes = block.formatted()
            lines = ["| " + " | ".join(_pipe(column.head) for column in block.columns) + " |"]
            lines.append("|" + "|".join("---:" if numeric else "---" for numeric in block.numeric()) + "|")
            for row, links in zip(rows, block.links(), strict=True):
                cells = [f"[{_pipe(c)}]({to})" if to else _pipe(c) for c, to in zip(row, links, strict=True)]
                lines.append("| " + " | ".join(cells) + " |")
            return "\n".join(lines) + "".join(f"\n\n{note}" for note in notes)
