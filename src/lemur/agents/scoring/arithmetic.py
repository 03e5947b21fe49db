"""The value of an expression that a model wrote: numbers, arithmetic, lists and a few functions, without `eval`."""

import ast
import math
import operator
import warnings
from collections.abc import Callable, Mapping
from typing import Any

CHARACTERS = 1000
DEPTH = 100
BITS = 4096
"""Largest integer, as a number of bits. Python computes such a power in a microsecond."""

MATH: Mapping[str, Any] = {
    f"math.{name}": getattr(math, name)
    for name in ("pi", "e", "pow", "sqrt", "exp", "log", "log2", "log10", "sin", "cos", "tan", "asin", "acos", "atan")
}
_BINARY: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
_UNARY: Mapping[type[ast.unaryop], Callable[[Any], Any]] = {
    ast.UAdd: operator.pos,
    ast.USub: operator.neg,
    ast.Not: operator.not_,
}


class NotAValue(ValueError):
    """The text is no expression of literals and arithmetic, or its value is too large."""


def evaluate(text: str, names: Mapping[str, Any] = MATH) -> Any:
    """What Python makes of `text`: a number, string, boolean, None, or a list, tuple or set of them.

    `names`: constants and functions of numbers. Takes bounded time. Raises only `NotAValue`."""
    if len(text) > CHARACTERS:
        raise NotAValue(f"longer than {CHARACTERS} characters")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of invalid escapes and `1is`
            tree = ast.parse(text.lstrip(" \t"), mode="eval")
        return _value(tree.body, names, DEPTH)
    except (SyntaxError, ValueError, TypeError, ArithmeticError, RecursionError, MemoryError) as error:
        raise NotAValue(f"{text!r:.60}: {error}") from None


def _value(node: ast.expr, names: Mapping[str, Any], depth: int) -> Any:
    if depth == 0:
        raise NotAValue(f"nested more than {DEPTH} deep")

    def value(part: ast.expr) -> Any:
        return _value(part, names, depth - 1)

    match node:
        case ast.Constant(value=constant) if not isinstance(constant, bytes) and constant is not ...:
            return constant
        case ast.List(elts=parts):
            return [value(part) for part in parts]
        case ast.Tuple(elts=parts):
            return tuple(value(part) for part in parts)
        case ast.Set(elts=parts):
            return {value(part) for part in parts}
        case ast.UnaryOp(op=operation, operand=part) if type(operation) in _UNARY:
            return _UNARY[type(operation)](_number(value(part)))
        case ast.BinOp(left=left, op=ast.Pow(), right=right):
            return _power(_number(value(left)), _number(value(right)))
        case ast.BinOp(left=left, op=operation, right=right) if type(operation) in _BINARY:
            return _bounded(_BINARY[type(operation)](_number(value(left)), _number(value(right))))
        case ast.Call(func=function, args=parts, keywords=[]) if callable(called := names.get(ast.unparse(function))):
            return called(*(_number(value(part)) for part in parts))
        case ast.Name() | ast.Attribute() if not callable(names.get(name := ast.unparse(node), max)):
            return names[name]
    raise NotAValue(f"{type(node).__name__} is not allowed")


def _number(value: Any) -> Any:
    """Raises `NotAValue` for strings and lists, whose products can be huge."""
    if not isinstance(value, int | float | complex):
        raise NotAValue(f"{type(value).__name__} in arithmetic")
    return _bounded(value)


def _bounded(value: Any) -> Any:
    if isinstance(value, int) and value.bit_length() > BITS:
        raise NotAValue(f"an integer of {value.bit_length()} bits")
    return value


def _power(base: Any, exponent: Any) -> Any:
    if isinstance(base, int) and isinstance(exponent, int) and exponent > 0 and base.bit_length() * exponent > BITS:
        raise NotAValue(f"a power of about {base.bit_length() * exponent} bits")
    return base**exponent
