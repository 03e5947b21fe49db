"""InterCode's reward for Bash: its three parts, and its faults."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lemur.agents.intercode.bash.rewards import changes, parts, similarity

ADDED, CHANGED = ("list.bak", "??"), ("words.txt", "M")


@pytest.mark.parametrize(
    ("ours", "theirs", "equal", "answers", "expected"),
    [
        ([], [], True, ("two words", "two words"), (0.33, 0.33, 0.33)),
        ([ADDED], [], True, ("", ""), (0.05, 0.33, 0.33)),
        ([ADDED], [CHANGED], True, ("", ""), (0.0, 0.33, 0.33)),
        ([ADDED], [ADDED], False, ("", ""), (0.33, 0.0, 0.33)),
        ([CHANGED], [CHANGED], False, ("", ""), (0.33, 0.33, 0.33)),  # the content of a changed file is not compared
        ([], [], True, ("3 /testbed/a.txt", "7 /testbed/a.txt"), (0.33, 0.33, 0.33)),  # words of one character
        ([], [], True, ("bb aa", "aa bb"), (0.33, 0.33, 0.33)),  # and their order
        ([], [], True, ("x", None), (0.33, 0.33, 0.0)),
    ],
)
def test_parts(ours: list, theirs: list, equal: bool, answers: tuple, expected: tuple) -> None:  # type: ignore[type-arg]
    found = parts(ours, theirs, lambda _: equal, answers)
    assert (found.file_diff, found.file_changes, found.answer_similarity) == expected
    assert found.reward == pytest.approx(0.01 + sum(expected))


def test_all_parts_together_are_exactly_one() -> None:
    assert parts([], [], lambda _: True, ("a", "a")).reward == 1.0


def test_a_name_with_a_space_breaks_the_list_of_changes() -> None:
    assert changes('?? "special text3.txt"\n') is None
    assert changes("?? a.txt\n D b.txt\n") == [("a.txt", "??"), ("b.txt", "D")]


TEXTS = st.text(alphabet="ab \n1.", max_size=20)


@given(TEXTS, TEXTS)
def test_similarity_is_that_of_scikit_learn(first: str, second: str) -> None:
    vectors = pytest.importorskip("sklearn.feature_extraction.text")
    try:
        table = vectors.TfidfVectorizer().fit_transform([first, second])
        expected = float((table * table.T).toarray()[0][1])
    except ValueError:
        expected = float(first == second)
    assert similarity(first, second) == pytest.approx(expected)
