"""TheoremQA's answers by type, and the arithmetic that replaces `eval`."""

import math
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lemur.agents.scoring.arithmetic import CHARACTERS, NotAValue, evaluate
from lemur.agents.scoring.verdict import judge
from lemur.benchmark_items.mint import Reference, Task


@pytest.mark.parametrize(
    ("kind", "reference", "solution", "paper", "strict"),
    [
        pytest.param("integer", 5, "5", True, True, id="integer"),
        pytest.param("integer", 5, "x = 5", True, True, id="after an equals sign"),
        pytest.param("integer", 3, "2.6", True, False, id="paper: rounded"),
        pytest.param("integer", 1, "True", True, False, id="paper: True is 1"),
        pytest.param("integer", 1200, "1,200", True, True, id="commas"),
        pytest.param("integer", 60, "The answer is 60.", False, True, id="strict: introduced"),
        pytest.param("integer", 5, "5 = x", False, False, id="paper: only what follows the last ="),
        pytest.param("float", 1.12, "1.15", True, True, id="4 % tolerance in both rules"),
        pytest.param("float", 1.12, "1.17", False, False, id="beyond 4 %"),
        pytest.param("float", -2.0, "-2.05", True, True, id="negative"),
        pytest.param("float", 1.12, "1.12 km/s", True, True, id="unit"),
        pytest.param("float", 3000000.0, "3 x 10^6", False, True, id="paper: math was not imported for 10^"),
        pytest.param("float", 0.5, "1/2", True, True, id="fraction"),
        pytest.param("float", 3.14159, "math.pi", False, True, id="strict: pi"),
        pytest.param("bool", False, "False", True, True, id="boolean"),
        pytest.param("bool", False, "no", True, True, id="no"),
        pytest.param("bool", False, "x = ", True, False, id="paper: nothing is 0 is False"),
        pytest.param("bool", False, "0", True, False, id="paper: 0 is False"),
        pytest.param("bool", True, "False", False, False, id="wrong boolean"),
        pytest.param("bool", True, "Not True", True, False, id="paper: True anywhere"),
        pytest.param("option", "c", "(c)", False, True, id="paper: no option is ever right"),
        pytest.param("option", "c", "c) x, d) y", False, False, id="strict: two options"),
        pytest.param("list of integer", [0, 5], "[0, 5]", True, True, id="list"),
        pytest.param("list of integer", [0, 5], "(0, 5)", True, True, id="tuple"),
        pytest.param("list of integer", [1, 0], "[0, 1]", True, False, id="paper: lists sorted"),
        pytest.param("list of integer", [0, 5], "[0, 5, 6]", False, False, id="too long"),
        pytest.param("list of integer", [0, 5], "()", False, False, id="empty"),
        pytest.param("float", 5.5, "__import__('os').getcwd()", False, False, id="code"),
        pytest.param("float", 5.5, "9**9**9**9", False, False, id="a huge power"),
    ],
)
def test_types(kind: str, reference: Reference, solution: str, paper: bool, strict: bool) -> None:
    item = Task("test", "theoremqa", "theoremqa/0", "What?", reference, kind)
    assert judge("theoremqa", item, solution) == {"paper": paper, "strict": strict}


def test_strict_eigenvalues_have_no_order() -> None:
    item = Task("test", "theoremqa", "theoremqa/0", "What are its eigen values?", [1, 6], "list of integer")
    assert judge("theoremqa", item, "[6, 1]") == {"paper": True, "strict": True}


EXPRESSIONS = st.recursive(
    st.one_of(st.integers(0, 10**6), st.floats(0, 1e6, allow_nan=False)).map(repr),
    lambda parts: st.one_of(
        st.tuples(parts, st.sampled_from(["+", "-", "*", "/", "//", "%", "**"]), parts)
        .map(" ".join)
        .map("({})".format),
        parts.map("-{}".format),
        st.lists(parts, min_size=1, max_size=3).map(", ".join).map("[{}]".format),
        parts.map("sqrt({})".format),
    ),
    max_leaves=8,
)


@given(EXPRESSIONS)
def test_plain_arithmetic_is_pythons(text: str) -> None:
    try:
        value = evaluate(text)
    except NotAValue:
        return
    expected = eval(text, {"sqrt": math.sqrt})
    assert repr(value) == repr(expected)


@given(st.one_of(st.text(max_size=200), EXPRESSIONS.flatmap(lambda text: st.sampled_from([text[:-1], text * 30]))))
def test_any_text_gives_a_verdict(text: str) -> None:
    for kind, reference in (("float", 1.5), ("integer", 2), ("bool", True), ("option", "a"), ("list of integer", [1])):
        item = Task("test", "theoremqa", "theoremqa/0", "What?", reference, kind)  # type: ignore[arg-type]
        judge("theoremqa", item, text)


@pytest.mark.parametrize(
    "text",
    [
        "9**9**9**9",
        "10**10**10",
        "*".join(["9" * 300] * 6),
        "2" + "**2" * 300,
        "(" * 500,
        "-" * 999 + "1",
        "[" * 150 + "]" * 150,
        "'a' * 10**9",
        "[0] * 10**9",
        "1" * 100_000,
        "1," * 100_000,
        "1" * 100_000 + "x",
        "lambda: 0",
        "().__class__.__bases__",
        "factorial(10**6)",
        "pow(10, 400)",
        "1 if 1 else 2",
        "f'{1}'",
        "{1: 2}",
        "x",
        "\0",
        "",
    ],
)
def test_hostile_text_is_no_value_and_takes_no_time(text: str) -> None:
    start = time.monotonic()
    with pytest.raises(NotAValue):
        evaluate(text)
    item = Task("test", "theoremqa", "theoremqa/0", "What?", 1.5, "float")
    assert judge("theoremqa", item, text) == {"paper": False, "strict": False}
    assert time.monotonic() - start < 2


def test_length_and_depth_are_limited_by_number_not_by_the_stack() -> None:
    assert evaluate("1" + "+1" * 98) == 99
    with pytest.raises(NotAValue, match="nested more than"):
        evaluate("1" + "+1" * 200)
    with pytest.raises(NotAValue, match="longer than"):
        evaluate("1" + " " * CHARACTERS)
