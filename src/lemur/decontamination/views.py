"""The ways in which a text is read as tokens."""

import re
import unicodedata
from typing import Literal, NamedTuple

import numpy as np

View = Literal["text", "code", "gapped", "renamed"]

_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_LETTER = re.compile(r"[^\W_]")
_CODE = re.compile(r"[^\W\d]\w*|\d+|[^\w\s]")
# The same for ASCII, and faster: a set of characters is looked up in a table, a class such as \w asks for each.
_ASCII_CODE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|[0-9]+|[^A-Za-z0-9_ \t-\r\x1c-\x1f]")
# Names that a copy of a Python program cannot change: keywords, and what the language offers.
_PYTHON = """
False None True and as assert async await break class continue def del elif else except finally for from global if
import in is lambda nonlocal not or pass raise return try while with yield
ArithmeticError AssertionError AttributeError Exception IndexError KeyError StopIteration TypeError ValueError
ZeroDivisionError abs all any bin bool bytearray bytes callable chr classmethod complex dict dir divmod enumerate eval
exec filter float format frozenset getattr hasattr hash hex id input int isinstance issubclass iter len list map max
min next object oct open ord pow print property range repr reversed round set setattr slice sorted staticmethod str sum
super tuple type vars zip
collections functools hashlib heapq itertools math operator random re string sys
"""
FIXED = frozenset(_PYTHON.split())


class Code(NamedTuple):
    """The n tokens of a program."""

    distinct: list[str]
    numbers: np.ndarray
    """Place of each token in `distinct`, int64 [n]."""
    is_name: np.ndarray
    """Whether a copy can change the token, bool [n]: attributes stay, as `append` in `result.append`."""


class _WordCharacters(dict[int, str]):
    """For `str.translate`: letters and digits stay, CJK characters get spaces around them, others become a space. With
    `str.split` it takes a third of the time of a regular expression that finds the words."""

    def __missing__(self, code_point: int) -> str:
        character = chr(code_point)
        kept = character if _LETTER.match(character) else " "
        self[code_point] = f" {character} " if _CJK.match(character) else kept
        return self[code_point]


class _NameStarts(dict[str, bool]):
    """Whether a token that begins with this character is a name."""

    def __missing__(self, character: str) -> bool:
        self[character] = re.match(r"[^\W\d]", character) is not None
        return self[character]


_WORD_CHARACTERS, _NAME_STARTS = _WordCharacters(), _NameStarts()


def words(text: str) -> list[str]:
    """Runs of letters and digits without case; a CJK character is a word by itself."""
    return unicodedata.normalize("NFKC", text).casefold().translate(_WORD_CHARACTERS).split()


def code_tokens(text: str) -> list[str]:
    """Names, numbers, and single other characters that are not white space."""
    return (_ASCII_CODE if text.isascii() else _CODE).findall(text)


def code(tokens: list[str]) -> Code:
    distinct = list(dict.fromkeys(tokens))
    places = dict(zip(distinct, range(len(distinct)), strict=True))
    numbers = np.fromiter(map(places.__getitem__, tokens), np.int64, len(tokens))
    free = np.array([token not in FIXED and _NAME_STARTS[token[0]] for token in distinct], bool)
    after_dot = np.zeros(len(tokens), bool)
    after_dot[1:] = numbers[:-1] == places.get(".", -1)
    return Code(distinct, numbers, free[numbers] & ~after_dot)
