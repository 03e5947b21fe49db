"""The ways in which a text is read as tokens."""

import re
import unicodedata
from typing import Literal, NamedTuple

import numpy as np

View = Literal["text", "code", "gapped", "renamed"]

_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\W_\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+")
_CODE = re.compile(r"[^\W\d]\w*|\d+|[^\w\s]")
_IDENTIFIER = re.compile(r"[^\W\d]\w*")
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


def words(text: str) -> list[str]:
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())


def code_tokens(text: str) -> list[str]:
    return _CODE.findall(text)


def code(tokens: list[str]) -> Code:
    places: dict[str, int] = {}
    numbers = np.fromiter((places.setdefault(token, len(places)) for token in tokens), np.int64, len(tokens))
    free = np.array([token not in FIXED and _IDENTIFIER.match(token) is not None for token in places], bool)
    after_dot = np.zeros(len(tokens), bool)
    after_dot[1:] = numbers[:-1] == places.get(".", -1)
    return Code(list(places), numbers, free[numbers] & ~after_dot)
