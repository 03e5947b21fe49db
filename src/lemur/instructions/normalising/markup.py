"""HTML of scraped conversations to Markdown."""

import re
from typing import Any

from bs4 import BeautifulSoup, Tag
from markdownify import MarkdownConverter

_TAGS = "div|p|span|ul|ol|li|h[1-6]|table|pre|blockquote|br|strong|em|b|i|a|code|img|hr|section|article|details|svg"
# A message is HTML only as a whole: a question that mentions <div> must keep it.
_WHOLE = re.compile(
    rf"\s*<(?P<tag>{_TAGS})(?:\s[^<>]*)?/?>.*(?:</(?:{_TAGS})>|<(?:br|hr|img)\b[^<>]*>)"
    r"\s*(?:\d{1,3} / \d{1,3}\s*)?",
    re.DOTALL | re.IGNORECASE,
)
_LANGUAGE = re.compile(r"(?:^|\s)(?:lang(?:uage)?-)([\w+#.-]+)")
_UNSEEN = {"button", "svg", "script", "style"}
_HEADER = re.compile(r"^\s*([\w+#.-]{0,20}?)\s*Copy code\s*", re.DOTALL)


def is_html(text: str) -> bool:
    """Whether the whole message is HTML: it begins with a tag of running text and ends with one."""
    return _WHOLE.fullmatch(text) is not None


def html_to_markdown(text: str) -> str:
    """Markdown with ATX headings and fenced code; div and span vanish, their content stays."""
    soup = BeautifulSoup(text, "html.parser", element_classes={Tag: _Tag})
    # One walk: two calls of `find_all` cost a quarter of the whole conversion.
    tags = [tag for tag in soup.descendants if isinstance(tag, Tag)]
    for tag in tags:
        if tag.name in _UNSEEN and tag.find_parent("pre") is None:
            tag.decompose()
    for tag in tags:
        if tag.name == "pre" and not tag.decomposed:
            _plain_code(soup, tag)
    return str(_CONVERTER.convert_soup(soup))


class _Tag(Tag):
    """markdownify asks every tag for the `pre` around it, which bs4's general search makes a seventh of the work."""

    def find_parent(self, name: Any = None, *arguments: Any, **named: Any) -> Any:
        if isinstance(name, str) and not arguments and not named:
            return next((parent for parent in self.parents if parent.name == name), None)
        return super().find_parent(name, *arguments, **named)


class _Converter(MarkdownConverter):
    """markdownify, but a line break stays a line break and is not two blanks and a newline."""

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


def _plain_code(soup: BeautifulSoup, pre: Tag) -> None:
    """Reduce the page's code block, a header with language and button beside the code, to the code."""
    code = pre.find("code")
    language = ""
    if isinstance(code, Tag):
        classes = " ".join(code.get("class") or [])
        found = _LANGUAGE.search(classes)
        language = found[1] if found else ""
        source = code.get_text()
        header = pre.get_text()[: -len(source)] if source and pre.get_text().endswith(source) else ""
    else:
        source, header = pre.get_text(), ""
        found = _HEADER.match(source)
        if found:
            header, source = found[0], source[found.end() :]
    found = _HEADER.match(header)
    if not language and found:
        language = found[1]
    pre.clear()
    pre.append(source.strip("\n"))
    pre["data-language"] = language
