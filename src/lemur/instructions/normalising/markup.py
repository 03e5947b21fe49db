"""Convert the HTML of scraped conversations to Markdown."""

import re
from typing import Any

from bs4 import BeautifulSoup, Tag
from bs4.exceptions import ParserRejectedMarkup

from lemur.instructions.normalising.formulas import replace_formulas
from lemur.instructions.normalising.markdown_converter import Converter, whole_number

_TAGS = "div|p|span|ul|ol|li|h[1-6]|table|pre|blockquote|br|strong|em|b|i|a|code|img|hr|section|article|details|svg"
# A message counts as HTML only as a whole: a question that mentions <div> must keep it.
_WHOLE = re.compile(
    rf"\s*<(?P<tag>{_TAGS})(?:\s[^<>]*)?/?>.*(?:</(?:{_TAGS})>|<(?:br|hr|img)\b[^<>]*>)"
    r"\s*(?:\d{1,3} / \d{1,3}\s*)?",
    re.DOTALL | re.IGNORECASE,
)
_LANGUAGE = re.compile(r"(?:^|\s)(?:lang(?:uage)?-)([\w+#.-]+)")
_NO_TEXT = {"button", "svg", "script", "style"}
# Python stops at 1,000 nested calls, of which markdownify makes three for each level; a fixed limit rejects the same
# pages wherever this is called from.
MAX_DEPTH = 200
# Names that markdownify takes for its own methods or for headings.
_ODD_NAMES = re.compile(r"soup|list|h\d.*", re.DOTALL)
_HEADINGS = {"h1", "h2", "h3", "h4", "h5", "h6"}
_LINE_NUMBERS = {"gutter", "lineno", "linenos", "line-numbers", "blob-num"}
_INDEX = re.compile(r"\w+|[+-]?\d+")
_HEADER = re.compile(r"^\s*([\w+#.-]{0,20}?)\s*Copy code\s*", re.DOTALL)


def is_html(text: str) -> bool:
    """Whether the whole message is HTML: it begins with a tag of running text and ends with one."""
    return _WHOLE.fullmatch(text) is not None


class MarkupError(ValueError):
    """HTML that cannot be converted."""


def html_to_markdown(text: str) -> str:
    """Markdown with ATX headings and fenced code; drops div and span tags but keeps their content.

    Raises `MarkupError` if the parser rejects the text or its tags are nested more than `MAX_DEPTH` deep."""
    try:
        soup = BeautifulSoup(text, "html.parser", element_classes={Tag: _Tag})
    except (ParserRejectedMarkup, ValueError):  # ValueError: a character's number of thousands of digits
        raise MarkupError("the HTML parser rejects this text") from None
    # Walk the tree once: two calls of `find_all` cost a quarter of the whole conversion.
    tags = [tag for tag in soup.descendants if isinstance(tag, Tag)]
    _check_depth(soup, tags)
    replace_formulas(tags)
    for tag in tags:
        if tag.decomposed:
            continue
        if tag.name in _NO_TEXT and tag.find_parent("pre") is None:
            tag.decompose()
        elif tag.name in ("sup", "sub") and (tag.find_parent("code") or tag.find_parent("pre")):
            index = tag.get_text()
            mark = "^" if tag.name == "sup" else "_"
            tag.replace_with(mark + (index if _INDEX.fullmatch(index) else f"({index})"))
    for tag in tags:
        if not tag.decomposed:
            _prepare(soup, tag)
    return str(_CONVERTER.convert_soup(soup))


def _check_depth(soup: BeautifulSoup, tags: list[Tag]) -> None:
    depths = {id(soup): 0}
    for tag in tags:
        depth = depths[id(tag)] = depths[id(tag.parent)] + 1
        if depth > MAX_DEPTH:
            raise MarkupError(f"HTML tags are nested more than {MAX_DEPTH} deep")


def _prepare(soup: BeautifulSoup, tag: Tag) -> None:
    """Rewrite one tag where the conversion to Markdown would lose or misread it."""
    if tag.name == "pre":
        _simplify_code_block(soup, tag)
    elif tag.name == "ol":
        _number_items(tag)
    elif tag.name == "table":
        _unwrap_code(tag)
    elif _ODD_NAMES.fullmatch(tag.name) and tag.name not in _HEADINGS:
        tag.name = "span"


def _number_items(ordered: Tag) -> None:
    items = ordered.find_all("li", recursive=False)
    step = -1 if ordered.has_attr("reversed") else 1
    number = whole_number(ordered.get("start"), len(items) if step < 0 else 1)
    for item in items:
        number = whole_number(item.get("value"), number)
        item["data-number"] = str(max(0, number))
        number += step


def _unwrap_code(table: Tag) -> None:
    """A table of one row that only puts line numbers beside a code block becomes that code block."""
    rows = table.find_all("tr")
    if len(rows) == 1 and table.find("pre") is not None:
        for cell in rows[0].find_all("td"):
            if _LINE_NUMBERS & set(cell.get("class") or []):
                cell.decompose()
        for part in [table, *table.find_all(["thead", "tbody", "tr", "td", "th"])]:
            part.name = "div"


class _Tag(Tag):
    """A faster `find_parent`: with bs4's, markdownify spends a seventh of its time looking for a `pre` around tags.
    A faster `decomposed`: without this attribute bs4 searches the tag's children for an element of that name."""

    _decomposed = False

    def find_parent(self, name: Any = None, *arguments: Any, **named: Any) -> Any:
        if isinstance(name, str) and not arguments and not named:
            return next((parent for parent in self.parents if parent.name == name), None)
        return super().find_parent(name, *arguments, **named)


_CONVERTER = Converter()


def _simplify_code_block(soup: BeautifulSoup, pre: Tag) -> None:
    """Remove the header, with language and button, from one of the page's code blocks; keep the code and language."""
    code = pre.find("code")
    language = ""
    if isinstance(code, Tag):
        classes = " ".join(code.get("class") or [])
        match = _LANGUAGE.search(classes)
        language = match[1] if match else ""
        source = code.get_text()
        header = pre.get_text()[: -len(source)] if source and pre.get_text().endswith(source) else ""
    else:
        source, header = pre.get_text(), ""
        match = _HEADER.match(source)
        if match:
            header, source = match[0], source[match.end() :]
    match = _HEADER.match(header)
    if not language and match:
        language = match[1]
    pre.clear()
    pre.append(source.strip("\n"))
    pre["data-language"] = language
