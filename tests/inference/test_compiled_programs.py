"""Shapes of the compiled programs, and generation with a growing cache."""

from itertools import islice

import numpy as np
import pytest

from lemur.inference import compiled_programs
from lemur.inference.compiled_programs import bucket, buckets
from lemur.model.weights import build
from tests.model.reference import random_tensors, small_config


def test_buckets_end_with_the_context() -> None:
    assert [buckets(length) for length in (50, 128, 320)] == [[50], [64, 128], [64, 128, 256, 320]]
    assert [bucket(length, 320) for length in (1, 64, 65, 257, 320)] == [64, 64, 128, 320, 320]
    with pytest.raises(ValueError, match="321 tokens"):
        bucket(321, 320)


@pytest.mark.parametrize("prefix_length", [0, 90])
def test_the_cache_grows_during_generation(prefix_length: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of 1 to 30 tokens, alone or after a prefix, get 170 more: each the likeliest by a whole forward pass."""
    sizes = []
    enlarge = compiled_programs._enlarge
    monkeypatch.setattr(
        compiled_programs, "_enlarge", lambda cache, length: sizes.append(length) or enlarge(cache, length)
    )
    config = small_config(max_position_embeddings=300)
    model = build(config, random_tensors(config).__getitem__)
    programs = compiled_programs.Programs(model)
    rng = np.random.default_rng(5)
    prefix = rng.integers(3, 61, prefix_length).tolist()
    rows = [rng.integers(3, 61, size).tolist() for size in (1, 17, 30)]
    tokens, lengths = compiled_programs.padded(rows, 3, 32)
    caches = [programs.prefix_cache(compiled_programs.padded([prefix], 1, 128)[0], prefix_length)] * 3 if prefix else []
    shared = compiled_programs.stacked(caches) if caches else None
    parts = programs.generate(shared, tokens, lengths, np.zeros((3, 2), np.uint32), 0.0, cache_length=300)
    new = np.concatenate(list(islice(parts, 12)), axis=1)[:, :170]
    assert sizes == ([300] if prefix else [128, 256])
    for row, answer in zip(rows, new.tolist(), strict=True):
        logits = np.asarray(model(np.array([[*prefix, *row, *answer]])))[0]
        before = len(prefix) + len(row)
        chosen = logits[np.arange(before - 1, before + 169), answer]
        np.testing.assert_allclose(chosen, logits[before - 1 : -1].max(-1), atol=5e-5)


def test_samples_follow_the_distribution() -> None:
    """In 20,000 draws each count is within five standard deviations of the expected one, and 0 for probability 0."""
    draws, temperature = 20_000, 0.7
    logits = np.random.default_rng(1).standard_normal(150).astype(np.float32) * 2
    logits[[0, 63, 64, 149]] = -np.inf
    keys = np.random.default_rng(0).integers(0, 2**32, (draws, 2), dtype=np.uint32)
    rows = np.broadcast_to(logits, (draws, len(logits)))
    tokens = np.asarray(compiled_programs._choose(rows, keys, np.float32(temperature), np.int32(3), sampled=True))
    weights = np.exp(logits.astype(np.float64) / temperature)
    expected = weights / weights.sum()
    counts = np.bincount(tokens, minlength=len(logits))
    deviation = np.sqrt(draws * expected * (1 - expected))
    assert (np.abs(counts - draws * expected) <= 5 * deviation).all()


@pytest.mark.parametrize("tokens", [1, 64, 65, 1000])
def test_extreme_random_numbers_draw_the_first_and_last_possible_token(tokens: int) -> None:
    rng = np.random.default_rng(tokens)
    weights = rng.random((200, tokens)).astype(np.float32) * (rng.random((200, tokens)) < 0.3)
    weights[:, tokens // 2] = 0.1
    possible = weights > 0
    first = np.asarray(compiled_programs.draw(weights, np.zeros(200, np.float32)))
    last = np.asarray(compiled_programs.draw(weights, np.full(200, 1 - 2.0**-23, np.float32)))
    assert possible[np.arange(200), first].all() and possible[np.arange(200), last].all()
    assert (first == possible.argmax(1)).all()
    # The very last tokens may weigh less than the number's last bit.
    assert (weights[:, ::-1].cumsum(1)[:, ::-1][np.arange(200), last] - weights[np.arange(200), last] < 1e-4).all()
