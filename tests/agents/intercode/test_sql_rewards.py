"""InterCode's reward for rows with its faults, and the strict verdict without them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lemur.agents.intercode.sql.rewards import Result, kendall_tau, reward, right

A, B, C = ("a",), ("b",), ("c",)


@pytest.mark.parametrize(
    ("shown", "gold", "value", "strict"),
    [
        ([A, B], [A, B], 1.0, True),
        ([B, A], [A, B], -1.0, True),  # negative, though the question asks for no order
        ([A], [A, B, C], 1 / 3, False),  # one shared row is not scaled and not rounded
        ([A, B, C], [A, C, B], 0.33, True),
        ([], [], 1, True),
        ([], "no such table", 1, False),  # the gold query fails
        ("no such table", "no such table", 0.0, False),
        ("no such table", [], 0.0, False),
        (None, [], 0.0, False),
        ([A, A], [A], 0.5, False),
        ([A, A], [A, A], 1.0, True),  # tau is not a number
        ([(1,)], [(1.0,)], 0.0, False),  # rows are compared as text
    ],
)
def test_reward_and_verdict(shown: Result, gold: Result, value: float, strict: bool) -> None:
    assert reward(shown, gold) == value
    assert right(shown, gold, ordered=False) is strict


def test_order_counts_by_the_strict_rule_where_it_is_asked_for() -> None:
    assert right([B, A], [A, B], ordered=False)
    assert not right([B, A], [A, B], ordered=True)


ROWS = st.lists(st.tuples(st.integers(0, 3)), max_size=8)


@given(ROWS, ROWS)
def test_a_reward_of_one_is_right_by_the_strict_rule(shown: Result, gold: Result) -> None:
    assert -1 <= reward(shown, gold) <= 1
    if reward(shown, gold) == 1:
        assert right(shown, gold, ordered=True)


@given(st.permutations("aabcde"), st.permutations("aabcde"))
def test_tau_is_that_of_scipy_on_strings(first: list[str], second: list[str]) -> None:
    from scipy.stats import kendalltau

    expected = kendalltau(first, second, nan_policy="omit").statistic
    assert kendall_tau(first, second) == pytest.approx(expected)
