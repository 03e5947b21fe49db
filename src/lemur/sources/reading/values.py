"""Strict parsing of foreign JSON, and a check that this project can write the values again."""

import json
from collections.abc import Iterable
from itertools import count
from typing import Any, NoReturn

MAX_DEPTH = 200
"""Nested lists and objects that a record may have. Far below Python's recursion limit, so that the verdict does not
depend on who calls the reader."""


class FieldError(ValueError):
    """A field is missing or cannot be used. `reason` and `detail` go into the `BadRecord`."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


class TooDeep(FieldError):
    def __init__(self) -> None:
        super().__init__("not_json", f"nested more than {MAX_DEPTH} deep")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


DECODER = json.JSONDecoder(parse_constant=_refuse_constant)
"""Refuses NaN, Infinity and -Infinity, which Python's own decoder takes."""


def decode(text: str) -> Any:
    """The value of a JSON text, without `check`. Raises `ValueError` if it is not JSON, `FieldError` like `check` if it
    is nested too deep for the decoder."""
    try:
        return DECODER.decode(text)
    except RecursionError:
        raise TooDeep from None


def parse(text: str) -> Any:
    """The value of a JSON text, with or without a byte order mark. Raises like `decode` and `check`."""
    value = decode(text.removeprefix("\ufeff"))
    check(value)
    return value


def check(value: Any) -> None:
    """Raises `FieldError`: `bad_text` if a string or key has half of a surrogate pair, which UTF-8 cannot write;
    `not_json` if the value is nested too deep."""
    level = [value]
    for depth in count():
        nested: list[Any] = []
        for item in level:
            if depth == MAX_DEPTH and isinstance(item, dict | list):
                raise TooDeep
            if isinstance(item, str):
                _check_text(item)
            elif isinstance(item, dict):
                nested += _children(item)
            elif isinstance(item, list):
                nested += item
        if not nested:
            return
        level = nested


def _children(item: dict[Any, Any]) -> Iterable[Any]:
    for key in item:
        if isinstance(key, str):
            _check_text(key)
    return item.values()


def _check_text(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        context = text[max(0, error.start - 20) : error.end + 20]
        raise FieldError("bad_text", f"half of a surrogate pair in {context!a}") from None
