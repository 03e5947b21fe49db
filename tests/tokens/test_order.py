import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lemur.tokens.order import permute


@given(size=st.integers(1, 400), seed=st.integers(0, 2**40))
def test_is_a_permutation(size, seed):
    assert sorted(permute(np.arange(size), size, seed)) == list(range(size))


def test_any_place_computed_alone_matches_the_whole():
    whole = permute(np.arange(1000), 1000, 3, "python")
    assert permute(np.array([999, 5]), 1000, 3, "python").tolist() == [whole[999], whole[5]]
    assert not np.array_equal(whole, permute(np.arange(1000), 1000, 3, "sql"))


def test_looks_random():
    positions = np.array([permute(np.arange(50), 50, seed) for seed in range(400)])
    # Each value's mean position is the middle; the standard error is 0.72.
    assert np.abs(positions.mean(axis=0) - 24.5).max() < 3
    neighbours = np.mean(np.abs(np.diff(positions, axis=1)) == 1)
    assert neighbours < 0.08  # 2 / 50 by chance


def test_huge_orders_need_no_memory_and_stay_in_range():
    size = 10**15 + 7
    values = permute(np.array([0, 1, size - 1]), size, 0)
    assert len(set(values.tolist())) == 3 and values.max() < size


def test_index_outside_is_refused():
    with pytest.raises(ValueError, match="0 to 4"):
        permute(np.array([5]), 5, 0)
    assert permute(np.arange(0), 0, 0).size == 0
