"""MINT's answers in numbers, words and letters by both rules; each known fault is named by the rule that has it."""

import pytest

from lemur.agents.scoring.verdict import judge
from lemur.benchmark_items.mint import Task
from tests.agents.recorded import published_items

OPTIONS = "Which?\nOptions: A ) 6 , B ) 120 , C ) (0,1)\\cup (2,3) , D ) a and b"


def verdicts(task: str, reference: str, solution: str, prompt: str = "What?") -> tuple[bool, bool]:
    """(by paper, by strict)"""
    verdict = judge(task, Task("test", task, f"{task}/0", prompt, reference), solution)
    return verdict["paper"], verdict["strict"]


@pytest.mark.parametrize(
    ("reference", "solution", "paper", "strict"),
    [
        pytest.param("6", "6", True, True, id="equal"),
        pytest.param("6", "7", False, False, id="wrong"),
        pytest.param("40", "38", True, False, id="paper: 5 % tolerance"),
        pytest.param("40", "37.9", False, False, id="beyond the tolerance"),
        pytest.param("-4.0", "-4.0", False, True, id="paper: negative bound for negative references"),
        pytest.param("-4.0", "4", False, False, id="sign"),
        pytest.param("0.0", "0", True, True, id="zero"),
        pytest.param("0.0", "0.001", False, False, id="paper: bound of zero for zero"),
        pytest.param("6", "16 miles", True, False, id="paper: reference inside another number"),
        pytest.param("2", "It takes 120 hours.", True, False, id="paper: reference inside a longer text"),
        pytest.param("6", "It takes 6 of the 120 hours.", True, False, id="strict: several numbers"),
        pytest.param("130000", "130,000", False, True, id="paper: commas"),
        pytest.param("131250", "$131,250", False, True, id="paper: currency"),
        pytest.param("10.0", "The answer is 10.", False, True, id="paper: 10.0 is not in 10"),
        pytest.param("10.0", "y = 10", False, True, id="strict: after an equals sign"),
        pytest.param("3.0", "x = -3 or x = 3", False, False, id="strict: two solutions"),
        pytest.param("0.5", "1/2", False, True, id="strict: fraction"),
        pytest.param("3.0", "3.0000000000000004", True, True, id="strict: noise of floats"),
        pytest.param("10.0", "The answer is <solution> 10", False, True, id="strict: a repeated tag"),
        pytest.param("12", "12\n` tag, for example: The answer is <solution> A", True, True, id="strict: an echo"),
        pytest.param("6", "nan", False, False, id="not a number"),
        pytest.param("6", "", False, False, id="nothing"),
        pytest.param("2", "3,2", True, False, id="strict: part of a list"),
    ],
)
def test_numbers(reference: str, solution: str, paper: bool, strict: bool) -> None:
    assert verdicts("math", reference, solution) == (paper, strict)


@pytest.mark.parametrize(
    ("reference", "solution", "paper", "strict"),
    [
        pytest.param("Ferdi Taygan", "ferdi taygan.", True, True, id="case and punctuation"),
        pytest.param("the late 12th Century", "late 12th century", False, True, id="strict: articles"),
        pytest.param("American", "He was not American.", True, False, id="paper: reference inside a longer text"),
        pytest.param("no", "I do not know", True, False, id="paper: no is in know"),
        pytest.param("no", "No, she is not.", True, True, id="strict: no with a reason"),
        pytest.param("yes", "Yes\nYes", True, True, id="strict: repeated"),
        pytest.param("George Harrison", "The answer is George Harrison.", True, True, id="strict: introduced"),
        pytest.param("1962", "1990", True, False, id="paper: years within 5 %"),
        pytest.param("1962", "1962", True, True, id="year"),
        pytest.param("yes", "no", False, False, id="wrong"),
    ],
)
def test_words(reference: str, solution: str, paper: bool, strict: bool) -> None:
    assert verdicts("hotpotqa", reference, solution) == (paper, strict)


@pytest.mark.parametrize(
    ("reference", "solution", "paper", "strict"),
    [
        pytest.param("b", "B", True, True, id="letter"),
        pytest.param("b", "b ) 120", True, True, id="letter and text"),
        pytest.param("b", "120", True, True, id="text"),
        pytest.param("b", "C", False, False, id="wrong letter"),
        pytest.param("b", "6", False, False, id="wrong text"),
        pytest.param("d", "A and B", True, True, id="text that names other letters"),
        pytest.param("c", "b) 120, see table c", True, False, id="paper: letter loop tests only a)"),
        pytest.param("a", "a) 6", True, True, id="the one letter that the loop tests"),
        pytest.param("b", "a) 6, not b", False, False, id="paper: a) alone decides"),
        pytest.param("c", "I cannot say.", True, False, id="paper: any text with the gold letter"),
        pytest.param("c", "(0,1)\\cup (2,3)", True, True, id="paper: the c of cup"),
        pytest.param("d", "D or B) 120", True, False, id="strict: two options"),
        pytest.param("b", "The answer is (B) 120.\nThe answer is (B) 120.", True, True, id="strict: repeated"),
        pytest.param("b", "The right option is B) 120.", True, True, id="strict: named in a sentence"),
        pytest.param("a", "²", False, False, id="paper: float() of a power"),
    ],
)
def test_options(reference: str, solution: str, paper: bool, strict: bool) -> None:
    assert verdicts("mmlu", reference, solution, OPTIONS) == (paper, strict)


def test_paper_an_option_with_a_bracket_is_found_only_up_to_it() -> None:
    prompt = "Which?\nOptions: A ) (x) + 1 , B ) (x) - 1"
    assert verdicts("mmlu", "b", "(x) - 1", prompt) == (False, True)


def test_paper_the_list_of_wrong_options_loses_its_neighbours() -> None:
    """Options inside the right one are removed, but removing "12" skips "1", for which "12" is then refused."""
    assert verdicts("mmlu", "a", "12", "Which?\nOptions: A ) 12 , B ) 1 , C ) 2 , D ) 3") == (False, True)
    assert verdicts("mmlu", "b", "12", "Which?\nOptions: A ) 1 , B ) 12 , C ) 7 , D ) 3") == (False, True)
    assert verdicts("mmlu", "c", "12", "Which?\nOptions: A ) 1 , B ) 7 , C ) 12 , D ) 3") == (True, True)


@pytest.mark.parametrize("task", ["gsm8k", "math", "hotpotqa", "mmlu", "theoremqa"])
def test_references_in_all_out_and_a_wrong_answer_gives_none(task: str) -> None:
    """By `strict` all; by `paper` all but 11 negative references of MATH and 3 options of TheoremQA, never accepted."""
    items = published_items(task)
    right = [judge(task, item, item.solution) for item in items]
    assert all(verdict["strict"] for verdict in right)
    assert sum(not verdict["paper"] for verdict in right) == {"math": 11, "theoremqa": 3}.get(task, 0)
    wrong = [judge(task, item, "∅") for item in items]
    assert not any(verdict["strict"] or verdict["paper"] for verdict in wrong)
