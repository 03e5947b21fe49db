"""Text that a model wrote, as HTML that shows it and cannot act: escaped, invisible characters named, code coloured."""

import html
import re
from collections.abc import Iterator
from functools import cache
from itertools import groupby

from markupsafe import Markup, escape

_INVISIBLE = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")
"""Controls but tab and newline, marks that reorder or hide text, and lone surrogates, which UTF-8 cannot hold."""

# Colours by kind of token: the most specific kind that is listed here decides.
_COLOURS = {"Keyword": "k", "Literal.String": "s", "Comment": "c", "Literal.Number": "n", "Name.Builtin": "b"}
_COLOURS |= {"Name.Function": "f", "Name.Class": "f", "Operator.Word": "k", "Name.Exception": "b"}


def visible(text: str) -> str:
    """`text` with a visible sign for each character that no screen shows."""
    return _INVISIBLE.sub(lambda match: _sign(ord(match[0])), text)


def shortened(text: str, limit: int) -> str:
    """At most about `limit` characters: the beginning and the end, and between them how many were left out."""
    if len(text) <= limit:
        return text
    half = limit // 2
    return f"{text[:half]}\n[... {len(text) - 2 * half:,} characters left out ...]\n{text[-half:]}"


def plain(text: str, limit: int) -> Markup:
    return escape(visible(shortened(text, limit)))


def code(text: str, language: str, limit: int) -> Markup:
    """`text` with coloured tokens. `language`: a name that Pygments knows; for any other the text stays as it is."""
    from pygments.lexers import get_lexer_by_name
    from pygments.util import ClassNotFound

    text = visible(shortened(text, limit))
    try:
        lexer = get_lexer_by_name(language, stripnl=False, ensurenl=False)
    except ClassNotFound:
        return escape(text)
    return Markup("".join(_coloured(lexer.get_tokens(text))))


def _coloured(tokens: Iterator[tuple[object, str]]) -> Iterator[str]:
    """Neighbours of one colour together."""
    for colour, group in groupby(tokens, lambda token: _colour(token[0])):
        value = html.escape("".join(value for _, value in group))
        yield f'<span class="{colour}">{value}</span>' if colour else value


@cache
def _colour(kind: object) -> str:
    name = str(kind).removeprefix("Token.")
    while name and name not in _COLOURS:
        name = name.rpartition(".")[0]
    return _COLOURS.get(name, "")


def _sign(number: int) -> str:
    if number < 0x20:
        return chr(0x2400 + number)
    return "\u2421" if number == 0x7F else f"\u27e8U+{number:04X}\u27e9"
