"""Fenced code blocks of Markdown: what lies between them, and what is left without them."""

import re
from collections.abc import Callable

_FENCE = re.compile(r"^(?P<fence>`{3,}|~{3,}).*?^(?P=fence)[ \t]*$|^(?P<open>`{3,}|~{3,}).*", re.MULTILINE | re.DOTALL)


def outside_fences(text: str, change: Callable[[str], str]) -> str:
    """Apply `change` to what lies between fenced code blocks only."""
    parts, start = [], 0
    for match in _FENCE.finditer(text):
        parts += [change(text[start : match.start()]), match.group()]
        start = match.end()
    return "".join([*parts, change(text[start:])])


def without_fences(text: str) -> str:
    """The text without its fenced code blocks."""
    return _FENCE.sub(" ", text)


def has_open_fence(text: str) -> bool:
    """Whether the last block begins with ``` and has no end."""
    return any(match["open"] == "```" for match in _FENCE.finditer(text))
