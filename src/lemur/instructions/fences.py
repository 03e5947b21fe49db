"""Fenced code blocks of Markdown: change or keep only the text outside them."""

import re
from collections.abc import Callable

_FENCE = re.compile(r"^(?P<fence>`{3,}|~{3,}).*?^(?P=fence)[ \t]*$|^(?P<open>`{3,}|~{3,}).*", re.MULTILINE | re.DOTALL)


def outside_fences(text: str, change: Callable[[str], str]) -> str:
    """Apply `change` only to the text outside fenced code blocks."""
    parts, start = [], 0
    for match in _FENCE.finditer(text):
        parts += [change(text[start : match.start()]), match.group()]
        start = match.end()
    return "".join([*parts, change(text[start:])])


def without_fences(text: str) -> str:
    """The text without its fenced code blocks."""
    return _FENCE.sub(" ", text)


def has_open_fence(text: str) -> bool:
    """Whether the last code block opens with ``` and is never closed."""
    return any(match["open"] == "```" for match in _FENCE.finditer(text))
