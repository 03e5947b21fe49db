"""Clean one message: Unicode, and leftovers of the web page that ShareGPT was scraped from.

The rules follow FastChat's `clean_sharegpt`; docs/instruction_data.md lists where they remove less, so that code about
HTML and fractions such as 3 / 4 survive.
"""

import re
import unicodedata

from lemur.instructions.fences import has_open_fence, outside_fences
from lemur.instructions.normalising.markup import html_to_markdown, is_html

# All of category Cc except newline and tab, zero-width space, word joiner, byte order mark, object replacement.
# Zero-width joiners stay: emoji and several scripts need them.
_INVISIBLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b\u2060\ufeff\ufffc]")
_NEWLINE = re.compile(r"\r\n?|[\u2028\u2029\x85]")
_SPACE = re.compile(r"[\u00a0\u202f\u2007]")
_MANY_BLANK_LINES = re.compile(r"\n{4,}")
_TRAILING_SPACE = re.compile(r"[ \t]+$", re.MULTILINE)

# The header of a code block on the ChatGPT page: the language, then the label of a button.
_COPY_AFTER_FENCE = re.compile(
    r"^(`{3,})[ \t]*\n?[ \t]*([A-Za-z0-9+#.\-]{0,20}?)[ \t]*Copy code[ \t]*\n?", re.MULTILINE
)
_COPY_LINE = re.compile(r"^[ \t]*(?:[A-Za-z0-9+#.\-]{1,20})?Copy code[ \t]*$\n?", re.MULTILINE)
_COPY_CHARS = re.compile(r"^[ \t]*Copy[ \t]*\d+ chars / \d+ words[ \t]*$\n?", re.MULTILINE)
_PAGER = re.compile(r"^[ \t]*(\d{1,3}) / (\d{1,3})[ \t]*$\n?", re.MULTILINE)


def clean(text: str, *, html: bool) -> str:
    """The cleaned message, stripped; empty if nothing printable is left. `html`: the source was scraped from pages."""
    text = unicode_clean(text)
    if html:
        if is_html(text):
            text = unicode_clean(html_to_markdown(text))
        text = page_noise(text)
    text = _MANY_BLANK_LINES.sub("\n\n\n", text).strip()
    return text if any(character.isprintable() and not character.isspace() for character in text) else ""


def unicode_clean(text: str) -> str:
    """NFC, LF newlines, spaces for no-break spaces; no control characters, invisible characters or trailing blanks."""
    text = _NEWLINE.sub("\n", unicodedata.normalize("NFC", text))
    text = _INVISIBLE.sub("", _SPACE.sub(" ", text))
    return _TRAILING_SPACE.sub("", text)


def page_noise(text: str) -> str:
    """Remove button labels and pager lines of the ChatGPT page, and close a code fence that the answer left open."""
    text = _COPY_AFTER_FENCE.sub(lambda match: f"{match[1]}{match[2]}\n", text)
    text = outside_fences(text, _remove_noise_lines)
    return text + "\n```" if has_open_fence(text) else text


def _remove_noise_lines(text: str) -> str:
    text = _COPY_CHARS.sub("", _COPY_LINE.sub("", text))
    # "2 / 3" alone on a line is taken for a pager (page 2 of 3); "3 / 2" cannot be one.
    return _PAGER.sub(lambda match: "" if 1 <= int(match[1]) <= int(match[2]) else match[0], text)
