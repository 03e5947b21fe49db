"""Programs built from an answer and its tests, run in the sandbox."""

from pathlib import Path

import pytest

from lemur.core.records import read_jsonl
from lemur.instructions.normalising.tested_answers import program_with_tests
from lemur.sandbox import run_python, why_unavailable
from tests.instructions.builders import chat

BUNDLED = Path(__file__).parents[2] / "data/sources/verified_python/bundled/instructions.jsonl"
DOUBLE = "def double(x):\n    return 2 * x"


def fenced(*blocks: str, tag: str = "python") -> str:
    return "\n\nText between.\n\n".join(f"```{tag}\n{block}\n```" for block in blocks)


def program(question: str, answer: str) -> str | None:
    return program_with_tests(chat(question, answer, source="verified_python"))


def verdict(text: str | None) -> str:
    if why_unavailable():
        pytest.skip(why_unavailable())
    return "no_tests" if text is None else run_python(text, timeout_s=3, memory_mb=256).status


def test_the_bundled_answers_get_their_verdicts() -> None:
    rows = list(read_jsonl(BUNDLED))
    verdicts = [verdict(program(row["instruction"], row["output"])) for row in rows]
    assert verdicts == ["passed"] * 6 + ["failed"] * 3 + ["timed_out"] + ["no_tests"] * 3 + ["ended"]


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("q", fenced(f"{DOUBLE}\n\nassert double(2) == VALUE")),
        ("q", f"{DOUBLE}\n\nassert double(2) == VALUE"),
        ("q", fenced(f"{DOUBLE}\n\nresult = double(2)\nassert result == VALUE")),
        ("q", fenced(f"{DOUBLE}\n\nif __name__ == '__main__':\n    assert double(2) == VALUE")),
        ("q", fenced(DOUBLE, "assert double(2) == VALUE")),
        ("q", fenced(f"{DOUBLE}\n\ndef test_it():\n    result = double(2)\n    assert result == VALUE")),
        ("q", fenced(DOUBLE, ">>> double(2)\nVALUE")),
        ("q", fenced('def double(x):\n    """\n    >>> double(2)\n    VALUE\n    """\n    return 2 * x')),
        ("Please:\n  assert double(2) == VALUE\nThanks", fenced(DOUBLE)),
        ("Like this:\n>>> for i in [2]:\n...     double(i)\nVALUE\n\nThanks", fenced(DOUBLE)),
    ],
)
def test_every_kind_of_test_runs(question: str, answer: str) -> None:
    right, wrong = (program(question.replace("VALUE", value), answer.replace("VALUE", value)) for value in ("4", "5"))
    assert (verdict(right), verdict(wrong)) == ("passed", "failed")


@pytest.mark.parametrize(
    "answer",
    [
        fenced(DOUBLE),
        fenced("assert 1 + 1 == 2"),  # tests nothing that the answer defines
        fenced(f"{DOUBLE}\n\nassert True"),
        fenced("def half(x):\n    assert x % 2 == 0\n    return x // 2"),  # a precondition, not a test
        fenced(f"{DOUBLE}\n\ndef check(x):\n    assert double(x)"),  # never called
        fenced(DOUBLE, ">>> double(2)"),  # no value expected
        fenced(f"{DOUBLE}\nassert double(2) == 4", tag="text"),
        "Use double(2), which is 4.",
        "```python\ndef broken(:\n    assert broken\n```",
    ],
)
def test_an_answer_without_tests_gives_no_program(answer: str) -> None:
    assert program("q", answer) is None


def test_leaving_early_does_not_pass() -> None:
    answer = fenced(f"{DOUBLE}\nraise SystemExit(0)\nassert double(2) == 5")
    assert verdict(program("q", answer)) == "failed"
    assert verdict(program("q", answer.replace("raise SystemExit(0)", "import os; os._exit(0)"))) == "ended"
