import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lemur.evaluation.harness.asking import choose, fit_shots, generate_fitting
from lemur.evaluation.harness.scores import pass_at_k, standard_error
from lemur.sources.fetched import BadRecord
from lemur.sources.reading.rows import readable
from tests.evaluation.conftest import Oracle

ITEMS = [f"item {n}" for n in range(50)]


def test_a_choice_keeps_the_order_and_depends_on_the_seed() -> None:
    chosen = choose(ITEMS, 7, 0, str)
    assert len(chosen) == 7 and chosen == sorted(chosen, key=ITEMS.index)
    assert chosen == choose(ITEMS, 7, 0, str) != choose(ITEMS, 7, 1, str)
    assert choose(ITEMS, None, 0, str) == choose(ITEMS, 99, 0, str) == ITEMS


@given(st.integers(1, 49), st.integers(0, 5))
def test_a_larger_choice_contains_the_smaller(limit: int, seed: int) -> None:
    assert set(choose(ITEMS, limit, seed, str)) < set(choose(ITEMS, limit + 1, seed, str))


def test_shots_are_dropped_until_the_prompt_fits() -> None:
    model = Oracle(str)
    assert fit_shots(lambda count: "word " * (count + 1), 5, model, max_tokens=4) == ("word word word word ", 3)
    assert fit_shots(lambda count: "word " * 9, 5, model, max_tokens=4)[1] == 0


def test_a_bad_record_stops_a_benchmark() -> None:
    with pytest.raises(ValueError, match="f:3: not_json"):
        readable(["fine", BadRecord("f:3", "not_json", "...")])


def test_prompts_without_room_are_not_asked() -> None:
    model = Oracle(lambda prompt: "yes", context_length=3)
    answers = generate_fitting(model, ["a b", "a b c", "a"], max_new_tokens=1, stop=[])
    assert [(answer.output, answer.asked) for answer in answers] == [("yes", True), ("", False), ("yes", True)]


@given(st.lists(st.booleans(), min_size=2, max_size=60))
def test_standard_error_of_shares(values: list[bool]) -> None:
    share = sum(values) / len(values)
    expected = math.sqrt(share * (1 - share) / (len(values) - 1))
    assert standard_error([float(value) for value in values]) == pytest.approx(expected)
    assert standard_error([1.0]) is None


@pytest.mark.parametrize(
    ("samples", "correct", "k", "expected"),
    [(5, 0, 1, 0.0), (5, 5, 3, 1.0), (10, 3, 1, 0.3), (10, 3, 5, 1 - 21 / 252), (20, 1, 20, 1.0), (200, 13, 100, None)],
)
def test_pass_at_k_is_the_unbiased_estimator(samples: int, correct: int, k: int, expected: float | None) -> None:
    exact = 1 - math.comb(samples - correct, k) / math.comb(samples, k)
    assert pass_at_k(samples, correct, k) == pytest.approx(exact, abs=1e-12)
    assert expected is None or exact == pytest.approx(expected)


@pytest.mark.parametrize(("samples", "correct", "k"), [(3, 4, 1), (3, -1, 1), (3, 1, 4), (3, 1, 0)])
def test_impossible_counts_are_rejected(samples: int, correct: int, k: int) -> None:
    with pytest.raises(ValueError, match=r"allowed|samples"):
        pass_at_k(samples, correct, k)
