"""Rules that a document must pass, and how to split a long one."""

import re
from collections.abc import Iterator

from lemur.corpus.parameters import GroupRules

_PARAGRAPHS = re.compile(r"\n[ \t]*\n\s*")
_BROKEN = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f\ufffd]")
_ALPHANUMERIC = re.compile(r"[^\W_]")
_OTHER_ASCII = bytes(code for code in range(128) if not _ALPHANUMERIC.match(chr(code)))
_NOT_ASCII = re.compile(r"[^\x00-\x7f]+")
_HEAD_LINES = 10  # lines searched for a generator's notice


def tidy(text: str) -> str:
    """`text` with \\n as line end, no byte-order mark, no surrounding blanks, one final newline."""
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").strip("\n\x00 \t") + "\n"


def broken_rule(text: str, rules: GroupRules) -> tuple[str, str] | None:
    """(reason, detail) of the first rule that the text breaks; None if it passes."""
    size = len(text)
    if size < rules.min_chars:
        return "too_short", f"{size} characters"
    if size > rules.max_chars:
        return "too_long", f"{size} characters"
    broken = len(_BROKEN.findall(text)) / size
    if broken > rules.max_broken_share:
        return "broken_encoding", f"{broken:.4f} control and replacement characters"
    longest = max(map(len, text.split("\n")))
    if rules.max_line_chars is not None and longest > rules.max_line_chars:
        return "long_line", f"{longest} characters"
    mean = size / text.count("\n")
    if rules.max_mean_line_chars is not None and mean > rules.max_mean_line_chars:
        return "long_lines_on_average", f"{mean:.1f} characters"
    share = alphanumerics(text) / size
    if share < rules.min_alphanumeric_share:
        return "few_letters", f"{share:.3f} letters and digits"
    head = "\n".join(text.split("\n", _HEAD_LINES)[:_HEAD_LINES]).casefold()
    for marker in rules.generated_markers:
        if marker.casefold() in head:
            return "generated", repr(marker)
    return None


def alphanumerics(text: str) -> int:
    """The number of letters and digits."""
    # As bytes: ASCII in a fiftieth of the time that a regular expression takes.
    count = len(text.encode("ascii", "ignore").translate(None, _OTHER_ASCII))
    if not text.isascii():
        count += sum(len(_ALPHANUMERIC.findall(part)) for part in _NOT_ASCII.findall(text))
    return count


def split(text: str, max_chars: int, min_chars: int = 0) -> Iterator[str]:
    """Parts of at most `max_chars`, as long as possible; cut between paragraphs, else between lines, else anywhere.

    A last part below `min_chars`, which the rules would drop, takes paragraphs from the end of the one before it, if
    both then have a length that is allowed.
    """
    before: list[str] = []
    part: list[str] = []
    size = 0
    for piece in _pieces(text, max_chars):
        if part and size + len(piece) > max_chars:
            if before:
                yield "".join(before)
            before, part, size = part, [], 0
        part.append(piece)
        size += len(piece)
    _lengthen(part, before, max_chars, min_chars)
    if before:
        yield "".join(before)
    if "".join(part).strip():
        yield "".join(part)


def _lengthen(last: list[str], before: list[str], max_chars: int, min_chars: int) -> None:
    """Move pieces from the end of `before` to the start of `last`, as `split` says."""
    moved, left = _chars(last), _chars(before)
    for count in range(1, len(before)):
        if moved >= min_chars:
            return
        moved += len(before[-count])
        left -= len(before[-count])
        if moved >= min_chars and moved <= max_chars and left >= min_chars:
            last[:0] = before[-count:]
            del before[-count:]
            return


def _chars(pieces: list[str]) -> int:
    return len("".join(pieces).strip()) + 1  # as `tidy` leaves it


def _pieces(text: str, max_chars: int) -> Iterator[str]:
    borders = [match.end() for match in _PARAGRAPHS.finditer(text)]
    for start, end in zip([0, *borders], [*borders, len(text)], strict=True):
        if end - start <= max_chars:
            yield text[start:end]
            continue
        for line in text[start:end].splitlines(keepends=True):
            yield from (line[at : at + max_chars] for at in range(0, len(line), max_chars))
