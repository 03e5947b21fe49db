"""markdownify with tables, lists, code and indices that keep their meaning whatever the page holds."""

import re
from typing import Any

from bs4 import Tag
from markdownify import MarkdownConverter

_BACKTICKS = re.compile(r"`{3,}")
_NUMBER = re.compile(r"\s*\+?(\d{1,9})(?!\d)", re.ASCII)
_MAX_COLUMNS = 1000


def whole_number(value: Any, default: int) -> int:
    """An attribute's number by HTML's rule, which ignores what follows the digits. CommonMark allows nine digits."""
    match = _NUMBER.match(str(value))
    return int(match[1]) if match else default


class Converter(MarkdownConverter):
    """Needs `data-number` on the items of ordered lists and `data-language` on code blocks."""

    def __init__(self) -> None:
        super().__init__(
            heading_style="ATX",
            bullets="-",
            escape_asterisks=False,
            escape_underscores=False,
            escape_misc=False,
            sub_symbol="<sub>",
            sup_symbol="<sup>",
        )

    def convert_br(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        """A plain newline, without two blanks before it."""
        return " " if "_inline" in parent_tags else "\n"

    def convert_pre(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        """A fenced block; in a table's cell or a heading, which have one line, a code span."""
        if not text.strip():
            return ""
        if "_inline" in parent_tags:
            return str(self.convert_code(el, " ".join(text.split()), parent_tags))  # type: ignore[attr-defined]
        fence = "`" * max([3, *(len(run) + 1 for run in _BACKTICKS.findall(text))])
        text = re.sub(r"^[ \n]*\n|[ \n]*$", "", text)
        return f"\n\n{fence}{el.get('data-language', '')}\n{text}\n{fence}\n\n"

    def convert_li(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        if el.parent is None or el.parent.name != "ol":
            return str(super().convert_li(el, text, parent_tags))  # type: ignore[misc]
        text = text.strip()
        bullet = f"{el['data-number']}. "
        return bullet + re.sub(r"\n(?=[^\n])", "\n" + " " * len(bullet), text) + "\n" if text else "\n"

    def convert_td(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        text = " ".join(line.strip() for line in text.strip().split("\n"))
        if "table" not in parent_tags:
            return text + " "
        el["data-markdown"] = text.replace("|", r"\|")
        return ""

    convert_th = convert_td

    def convert_tr(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        return text if "table" in parent_tags else text.rstrip() + "\n"

    def convert_table(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        """The table after its caption; without a header row an empty one. A table in a cell becomes running text."""
        rows = [tr for tr in el.find_all("tr") if tr.find_parent("table") is el]
        cells = [[cell for cell in tr.find_all(["td", "th"]) if cell.find_parent("tr") is tr] for tr in rows]
        rows = [tr for tr, row in zip(rows, cells, strict=True) if row]
        cells = [row for row in cells if row]
        if not cells:
            return f"\n\n{text.strip()}\n\n"
        if "_inline" in parent_tags:
            return " " + "; ".join(", ".join(str(cell["data-markdown"]) for cell in row) for row in cells) + " "
        grid = _grid(cells)
        width = max(len(row) for row in grid)
        has_header = rows[0].find_parent("thead") is not None or all(cell.name == "th" for cell in cells[0])
        if not has_header:
            grid.insert(0, [])
        grid.insert(1, ["---"] * width)
        lines = ["|" + "".join(f" {cell} |" for cell in row + [""] * (width - len(row))) for row in grid]
        caption = f"\n\n{text.strip()}" if text.strip() else ""
        return f"{caption}\n\n" + "\n".join(lines) + "\n\n"


def _grid(rows: list[list[Tag]]) -> list[list[str]]:
    """The rows' texts, with empty cells where a cell spans further columns or rows."""
    grid = []
    occupied: dict[int, int] = {}  # column to the number of rows that a cell above still spans
    for row in rows:
        texts: list[str] = []

        def skip_occupied(texts: list[str] = texts) -> None:
            while occupied.get(len(texts), 0) > 0:
                occupied[len(texts)] -= 1
                texts.append("")

        for cell in row:
            skip_occupied()
            columns = max(1, min(whole_number(cell.get("colspan"), 1), _MAX_COLUMNS - len(texts)))
            for column in range(len(texts), len(texts) + columns):
                occupied[column] = max(1, min(whole_number(cell.get("rowspan"), 1), len(rows))) - 1
            texts += [str(cell["data-markdown"]), *[""] * (columns - 1)]
        skip_occupied()
        grid.append(texts)
    return grid
