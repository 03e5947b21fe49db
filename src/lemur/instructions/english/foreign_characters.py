"""The paper's second language rule: runs of consecutive non-English characters (appendix A.2.1).

A non-English character is a letter other than A-Z and a-z, or a vowel sign or tone mark of a script that writes them as
separate characters. Not counted, and so allowed in English text: digits, punctuation, typographic quotes and dashes,
symbols, emoji, mathematical alphabets, code; characters that compatibility folding (NFKC) turns into ASCII (full-width
Latin, ligatures, the ordinal signs); phonetic notation. Marks shared by several scripts (combining accents, Arabic
vowel points, joiners) neither count nor break a run.
"""

import re
import unicodedata
from functools import cache

import regex

_LETTER = regex.compile(
    r"[[\p{L}\p{M}\u30fc]--[[\p{Script=Common}\p{Script=Inherited}A-Za-z\u0250-\u02ff\u1d00-\u1dbf]--\u30fc]]", regex.V1
)
_TRANSPARENT = r"[\p{Script=Inherited}[\p{Script=Common}&&\p{Lm}]]*"
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|(?<=[\u3002\uff01\uff1f])|\n+")


def foreign_run(text: str, length: int) -> str | None:
    """The first run of at least `length` consecutive non-English characters; None if there is none."""
    if text.isascii():
        return None
    match = _pattern(length).search(text)
    return match.group() if match else None


def without_foreign_sentences(text: str, length: int) -> tuple[str, int]:
    """`text` without the sentences that contain such a run, and the number of those sentences.

    Sentences end at . ! ? followed by white space, at the full-width forms of these, and at line ends."""
    kept, removed, start = [], 0, 0
    for end in [*(match.end() for match in _SENTENCE_END.finditer(text)), len(text)]:
        sentence = text[start:end]
        start = end
        if foreign_run(sentence, length) is None:
            kept.append(sentence)
        else:
            removed += 1
    return "".join(kept).strip(), removed


@cache
def _pattern(length: int) -> "regex.Pattern[str]":
    folded = "".join(chr(point) for point in _folding_to_ascii())
    letter = rf"[{_LETTER.pattern}--[{folded}]]"
    return regex.compile(rf"(?:{letter}{_TRANSPARENT}){{{length},}}", regex.V1)


def _folding_to_ascii() -> list[int]:
    """Code points of non-ASCII letters whose compatibility form is ASCII."""
    return [
        point
        for point in range(0x80, 0x10000)
        if _LETTER.match(chr(point)) and unicodedata.normalize("NFKC", chr(point)).isascii()
    ]
