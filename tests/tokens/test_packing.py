import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lemur.tokens.packing import fill, fill_one, pack

CAPACITY = 16
LENGTHS = st.lists(st.sampled_from([0, 1, 2, 7, CAPACITY - 1, CAPACITY, CAPACITY + 1, 10 * CAPACITY]), max_size=60)


def sizes_by_sequence(packing):
    borders = np.searchsorted(packing.sequence, np.arange(1, packing.sequences))
    return [sizes.tolist() for sizes in np.split(packing.length, borders)] if packing.sequences else []


@pytest.mark.parametrize("policy", ["best_fit", "concat"])
@given(lengths=LENGTHS)
def test_every_token_is_placed_once(policy, lengths):
    packing = pack(lengths, CAPACITY, policy)
    assert packing.tokens == sum(lengths)
    for document, length in enumerate(lengths):
        own = packing.document == document
        pieces = sorted(zip(packing.start[own], packing.length[own], strict=True))
        ends = np.cumsum([0, *(int(size) for _, size in pieces)])
        assert [int(start) for start, _ in pieces] == ends[:-1].tolist()
        assert ends[-1] == length
    sequences = sizes_by_sequence(packing)
    assert len(sequences) == packing.sequences
    assert all(1 <= sum(sizes) <= CAPACITY for sizes in sequences)
    assert all(size > 0 for sizes in sequences for size in sizes)


@given(lengths=LENGTHS)
def test_best_fit_cuts_only_documents_longer_than_a_sequence(lengths):
    packing = pack(lengths, CAPACITY, "best_fit")
    for document, length in enumerate(lengths):
        assert np.count_nonzero(packing.document == document) == -(-length // CAPACITY)


@given(lengths=LENGTHS)
def test_concat_fills_every_sequence_except_the_last_and_keeps_the_order(lengths):
    packing = pack(lengths, CAPACITY, "concat")
    assert packing.sequences == -(-sum(lengths) // CAPACITY)
    filled = [sum(sizes) for sizes in sizes_by_sequence(packing)]
    assert filled[:-1] == [CAPACITY] * (len(filled) - 1)
    assert packing.document.tolist() == sorted(packing.document.tolist())


@given(lengths=st.lists(st.integers(1, CAPACITY), max_size=60))
def test_best_fit_matches_placing_one_by_one(lengths):
    rooms: list[int] = []
    for size in sorted(lengths, reverse=True):
        fitting = [room for room in rooms if room >= size]
        if fitting:
            rooms.remove(min(fitting))
            rooms.append(min(fitting) - size)
        else:
            rooms.append(CAPACITY - size)
    packing = pack(lengths, CAPACITY, "best_fit")
    packed_rooms = [CAPACITY - sum(sizes) for sizes in sizes_by_sequence(packing)]
    assert sorted(packed_rooms) == sorted(rooms)


def test_fast_and_full_on_gamma_lengths():
    lengths = np.maximum(1, np.random.default_rng(0).gamma(2.0, 50.0, 100_000)).astype(np.int64)
    started = time.process_time()
    packing = pack(lengths, 512, "best_fit")
    assert len(lengths) / (time.process_time() - started) >= 250_000
    assert packing.fullness >= 0.996


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match="capacity is 0"):
        pack([1], 0, "concat")
    with pytest.raises(ValueError, match="document 1 has length -2"):
        pack([1, -2], 4, "concat")


def test_fill_numbers_segments_and_restarts_positions():
    fields = fill_one(6, [(np.array([5, 6, 7]), 1, 2), (np.array([8, 9]), np.array([0, 1]), 3)])
    assert {name: array.tolist() for name, array in fields.items()} == {
        "tokens": [5, 6, 7, 8, 9, 0],
        "segments": [1, 1, 1, 2, 2, 0],
        "positions": [0, 1, 2, 0, 1, 0],
        "sources": [2, 2, 2, 3, 3, 0],
        "loss": [1, 1, 1, 0, 1, 0],
    }
    with pytest.raises(ValueError, match="7 tokens; 6"):
        fill_one(6, [(np.arange(7), 1, 0)])


PARTS = st.lists(st.tuples(st.integers(1, 5), st.integers(0, 3), st.integers(0, 1)), min_size=1, max_size=3)


@given(sequences=st.lists(PARTS, min_size=1, max_size=5))
def test_sequences_filled_together_are_those_filled_one_by_one(sequences):
    parts = [(np.arange(5, 5 + size), loss, source) for parts in sequences for size, source, loss in parts]
    length = np.array([len(tokens) for tokens, _, _ in parts])
    together = fill(
        CAPACITY,
        np.repeat(np.arange(len(sequences)), [len(parts) for parts in sequences]),
        length,
        np.array([source for _, _, source in parts]),
        np.concatenate([tokens for tokens, _, _ in parts]),
        np.repeat([loss for _, loss, _ in parts], length),
    )
    remaining = iter(parts)
    for number, own in enumerate(sequences):
        alone = fill_one(CAPACITY, [next(remaining) for _ in own])
        for name, field in alone.items():
            assert together[name][number].tolist() == field.tolist()
