"""Reads the number that a free-form answer states, whatever markup, currency or separators surround it."""

import re
from decimal import Decimal, DivisionByZero, InvalidOperation

_SPACE = r"[ \u00a0\u2007\u2009\u202f]"
_SIGN = r"[-+\u2212\u2013\u2010\u2011\ufe63\uff0d]"
_CURRENCY = r"(?:\\?\$|[¢£¤¥€\u20a0-\u20bf\ufdfc\uff04\uffe1\uffe5])"
_DECORATION = (
    r"(?:\\(?:(?![dtc]?frac)[a-z]+\s*\{|[\[(,;:! ])"  # \boxed{, \text{, \(, \[ and LaTeX's spaces
    rf"|{_CURRENCY}"
    r"|[\s\u200b:=≈*_`~\"'\u201c\u201d\u2018\u2019({\[])*+"
)
# Groups of three digits, or India's groups, divided by one kind of separator; else plain digits.
_WHOLE = (
    r"\d{1,3}(?:(?:,|\{,\})\d{3})+(?!\d)|\d{1,3}(?:\\,\d{3})+(?!\d)|\d{1,2}(?:,\d{2})+,\d{3}(?!\d)"
    rf"|\d{{1,3}}(?:['\u2019]\d{{3}})+(?!\d)|\d{{1,3}}(?:{_SPACE}\d{{3}})+(?!\d)|\d+"
)
_DIGITS = rf"(?>(?:{_WHOLE})(?:\.\d+)?|\.\d+)"
# Part of a list (3,4,5), a time (3:30), a date (3/4/20), a version (1.2.3) or a power (1e3) is no number.
_END = r"(?![.,:/]\d|\{,\}\d|e[-+]?\d)"
_FRACTION = (
    rf"(?:(?P<whole>\d+)\s+)?(?:\\[dtc]?frac\s*\{{\s*(?P<top>{_DIGITS})\s*\}}\s*\{{\s*(?P<bottom>{_DIGITS})\s*\}}"
    rf"|(?P<over>{_DIGITS})\s?/\s?{_CURRENCY}?(?P<under>{_DIGITS}){_END}(?!\s?/\s?\d))"
)
_EQUATION = (
    rf"(?:(?:[A-Za-z]|{_CURRENCY}?{_DIGITS}%?(?:\s*(?:{_SIGN}|[*/\u00d7·÷x]|\\times|\\div)\s*{_CURRENCY}?{_DIGITS}%?)+)"
    r"\s*[=≈]\s*)"
)
_NUMBER = re.compile(
    rf"{_DECORATION}{_EQUATION}?{_DECORATION}(?P<sign>{_SIGN})?\s?{_DECORATION}"
    rf"(?:{_FRACTION}|(?P<number>{_DIGITS}){_END})",
    re.IGNORECASE,
)
_INSIDE = re.compile(r"(?:[^\W\d]|\d[-.,:/^]?)\Z")  # what may stand before a part of a word, list, time or date
_STATEMENTS = (
    re.compile(r"\banswer[*_]*\s+is\b|####", re.IGNORECASE),
    re.compile(r"\\(?:boxed|fbox)\b"),
    re.compile(r"\banswer[*_]*\s*[:=]", re.IGNORECASE),
)


def stated_number(output: str) -> str | None:
    """The number after the first "answer is" or "####"; else in the last \\boxed{}; else after the last "answer:".
    With its sign, without separators, fractions as decimals; `None` if no number is stated."""
    first, *others = _STATEMENTS
    for statement in first.finditer(output):
        if (match := _NUMBER.match(output, statement.end())) is not None:
            return _value(match)
    for pattern in others:
        for statement in reversed(list(pattern.finditer(output))):
            if (match := _NUMBER.match(output, statement.end())) is not None:
                return _value(match)
    return None


def numbers_in(text: str) -> list[str]:
    """Every number in `text`, written as `stated_number` writes it; parts of words, lists and times are none."""
    matches = _NUMBER.finditer(text)
    alone = [match for match in matches if match[0][0].isspace() or not _INSIDE.search(text[: match.start()][-2:])]
    return [value for match in alone if (value := _value(match)) is not None]


def _value(match: re.Match[str]) -> str | None:
    sign = "-" if match["sign"] not in (None, "+") else ""
    if match["number"] is not None:
        return sign + _plain(match["number"])
    try:
        value = Decimal(_plain(match["top"] or match["over"])) / Decimal(_plain(match["bottom"] or match["under"]))
    except (DivisionByZero, InvalidOperation):  # nothing over nothing is invalid
        return None
    return f"{sign}{value + Decimal(match['whole'] or 0):f}"


def _plain(digits: str) -> str:
    """Only the digits and the decimal point."""
    return re.sub(r"[^\d.]", "", digits)


def same_number(answer: str | None, target: str) -> bool:
    try:
        return answer is not None and Decimal(answer) == Decimal(target)
    except InvalidOperation:
        return answer == target
