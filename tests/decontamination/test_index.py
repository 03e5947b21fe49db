"""The n-gram index of benchmark items."""

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lemur.decontamination.index import BenchmarkIndex
from lemur.decontamination.items import Item
from lemur.decontamination.overlaps import Action, Overlaps
from lemur.decontamination.views import words
from tests.decontamination.builders import index_of
from tests.instructions.builders import fetched

QUESTION = (
    "A farmer has fourteen goats and buys nine more at the market in spring; how many goats does the farmer have after "
    "selling five of them to a neighbour?"
)
HUMANEVAL = {
    "task_id": "HumanEval/0",
    "prompt": "def keep(numbers, limit):\n"
    '    """ Return the numbers of the list that are not larger than the given limit, '
    "in the order in which they came.\n"
    '    >>> keep([1, 5], 3)\n    [1]\n    """\n',
    "entry_point": "keep",
    "canonical_solution": "    result = []\n    for value in numbers:\n        if value <= limit:\n"
    "            result.append(value)\n    return result\n",
    "test": "",
}


@pytest.fixture
def index(tmp_path: Path) -> BenchmarkIndex:
    table = io.StringIO()
    rows = [[QUESTION, "18", "23", "9", "14", "A"], ["What?", "1", "2", "3", "4", "B"], ["broken", "A"]]
    csv.writer(table).writerows(rows)
    mmlu = fetched(
        tmp_path / "mmlu", "mmlu", {"test/x_test.csv": ("mmlu", table.getvalue(), {"split": "test", "subject": "x"})}
    )
    gsm8k_rows = [{"question": QUESTION.replace("goats", "sheep"), "answer": "#### 18"}]
    gsm8k = fetched(
        tmp_path / "gsm8k",
        "gsm8k",
        {
            "test.jsonl": ("gsm8k", gsm8k_rows, {"split": "test"}),
            "train.jsonl": ("gsm8k", [{"question": "train " * 20, "answer": "1"}], {"split": "train"}),
        },
    )
    humaneval = fetched(tmp_path / "humaneval", "humaneval", {"h.jsonl": ("humaneval", [HUMANEVAL], {})})
    return index_of(mmlu, gsm8k, humaneval)


def test_summary(index: BenchmarkIndex) -> None:
    assert index.summary() == {
        "gsm8k": {"items": 1, "place": "bundled", "uncheckable": 0, "unreadable": 0},
        "humaneval": {"items": 1, "place": "bundled", "uncheckable": 0, "unreadable": 0},
        "mmlu": {"items": 2, "place": "bundled", "uncheckable": 1, "unreadable": 1},
    }


def test_a_copy_with_another_layout_is_found(index: BenchmarkIndex) -> None:
    copy = "Solve: " + QUESTION.upper().replace(" ", "\n ").replace(";", " -") + " Thanks."
    (best, *_) = index.find(copy)
    assert (best.benchmark, best.item, best.view, best.share) == ("mmlu", "test/x_test.csv:1", "text", 1.0)


def test_share_of_a_partial_copy(index: BenchmarkIndex) -> None:
    half = " ".join(QUESTION.split()[:20])
    (match,) = [match for match in index.find(half) if match.benchmark == "mmlu"]
    total = len(words(QUESTION)) - 3  # 4-grams, which a short item has too
    assert (match.view, match.share) == ("gapped", pytest.approx(17 / total))


def test_a_solution_with_other_indentation_is_found(index: BenchmarkIndex) -> None:
    code = HUMANEVAL["canonical_solution"].replace("    ", "\t").replace("\n", "\r\n\n")
    (match,) = index.find(f"def other(numbers, limit):\n{code}")
    assert (match.benchmark, match.view, match.share) == ("humaneval", "code", 1.0)


def test_the_docstring_is_found(index: BenchmarkIndex) -> None:
    prompt = "Return the numbers of the list that are not larger than the given limit, in the order in which they came"
    (match,) = index.find(f"Write a function. {prompt}.")
    assert (match.benchmark, match.view) == ("humaneval", "text")
    assert match.share > 0.5


def test_unrelated_text_does_not_match(index: BenchmarkIndex) -> None:
    assert index.find("") == []
    assert index.find("A farmer has fourteen cows. " * 50) == []
    assert index.find("train " * 40) == []  # the index skips the train split


def test_sources_left_out(tmp_path: Path) -> None:
    folders = [fetched(tmp_path / name, name, {}) for name in ("mmlu", "gsm8k", "humaneval")]
    index = index_of(*folders)
    assert (index.summary(), index.find(QUESTION)) == ({}, [])


@given(st.lists(st.sampled_from("abcd"), min_size=4, max_size=30), st.lists(st.sampled_from("abcde"), max_size=60))
def test_equal_to_a_plain_search(item: list[str], text: list[str]) -> None:
    index = BenchmarkIndex([Item("b", "i", (("text", " ".join(item)),))], ngram=4, code_ngram=4)
    grams = {tuple(item[i : i + 4]) for i in range(len(item) - 3)}
    shared = grams & {tuple(text[i : i + 4]) for i in range(len(text) - 3)}
    matches = index.find(" ".join(text))
    assert [match.share for match in matches] == ([len(shared) / len(grams)] if shared else [])


def test_report_lists_benchmarks_that_were_not_checked(index: BenchmarkIndex) -> None:
    """Benchmarks of params.yaml without a checkable item, and ignored ones."""
    actions: dict[str, Action] = {"mmlu": "remove", "gsm8k": "report", "humaneval": "ignore", "ds1000": "remove"}
    assert Overlaps(index, actions, 0.5).compared()["not_checked"] == {
        "ds1000": "no items to compare with",
        "humaneval": "ignored",
    }
