"""Convert the HTML of scraped conversations to Markdown."""

import re
from typing import Any

from bs4 import BeautifulSoup, Tag
from markdownify import MarkdownConverter

_TAGS = "div|p|span|ul|ol|li|h[1-6]|table|pre|blockquote|br|strong|em|b|i|a|code|img|hr|section|article|details|svg"
# A message counts as HTML only as a whole: a question that mentions <div> must keep it.
_WHOLE = re.compile(
    rf"\s*<(?P<tag>{_TAGS})(?:\s[^<>]*)?/?>.*(?:</(?:{_TAGS})>|<(?:br|hr|img)\b[^<>]*>)"
    r"\s*(?:\d{1,3} / \d{1,3}\s*)?",
    re.DOTALL | re.IGNORECASE,
)
_LANGUAGE = re.compile(r"(?:^|\s)(?:lang(?:uage)?-)([\w+#.-]+)")
_NO_TEXT = {"button", "svg", "script", "style"}
_HEADER = re.compile(r"^\s*([\w+#.-]{0,20}?)\s*Copy code\s*", re.DOTALL)


def is_html(text: str) -> bool:
    """Whether the whole message is HTML: it begins with a tag of running text and ends with one."""
    return _WHOLE.fullmatch(text) is not None


def html_to_markdown(text: str) -> str:
    """Markdown with ATX headings and fenced code; drops div and span tags but keeps their content."""
    soup = BeautifulSoup(text, "html.parser", element_classes={Tag: _Tag})
    # Walk the tree once: two calls of `find_all` cost a quarter of the whole conversion.
    tags = [tag for tag in soup.descendants if isinstance(tag, Tag)]
    for tag in tags:
        if tag.name in _NO_TEXT and tag.find_parent("pre") is None:
            tag.decompose()
    for tag in tags:
        if tag.name == "pre" and not tag.decomposed:
            _simplify_code_block(soup, tag)
    return str(_CONVERTER.convert_soup(soup))


class _Tag(Tag):
    """A faster `find_parent`: with bs4's, markdownify spends a seventh of its time looking for a `pre` around tags."""

    def find_parent(self, name: Any = None, *arguments: Any, **named: Any) -> Any:
        if isinstance(name, str) and not arguments and not named:
            return next((parent for parent in self.parents if parent.name == name), None)
        return super().find_parent(name, *arguments, **named)


class _Converter(MarkdownConverter):
    """markdownify, except that <br> becomes a plain newline, without two blanks before it."""

    def convert_br(self, el: Any, text: str, parent_tags: set[str]) -> str:
        return " " if "_inline" in parent_tags else "\n"


_CONVERTER = _Converter(
    heading_style="ATX",
    bullets="-",
    escape_asterisks=False,
    escape_underscores=False,
    escape_misc=False,
    code_language_callback=lambda pre: pre.get("data-language") or "",
)


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
