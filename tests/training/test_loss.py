"""Which targets count, and with which weight."""

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lemur.model.weights import build
from lemur.training.loss import join_documents, prepare, weighted_loss
from tests.model.reference import random_tensors, small_config


def batch(segments, loss):
    segments, loss = np.array(segments, np.uint16), np.array(loss, np.uint8)
    tokens = np.arange(segments.size, dtype=np.uint16).reshape(segments.shape) % 61
    return {"tokens": tokens, "segments": segments, "positions": np.zeros_like(segments), "loss": loss} | {
        "sources": np.arange(segments.size, dtype=np.uint8).reshape(segments.shape) % 3
    }


def test_only_marked_targets_inside_a_document_count():
    arrays = prepare(batch([[1, 1, 2, 2, 0, 0]], [[1, 1, 1, 0, 1, 1]]), 1, "tokens")
    # 0->1 counts; 1->2 begins a document; 2->3 is not marked; 3->4 and 4->5 are padding.
    assert arrays["weights"][0].tolist() == [[1, 0, 0, 0, 0]]
    assert arrays["tokens"][0].tolist() == [[0, 1, 2, 3, 4]]
    assert arrays["targets"][0].tolist() == [[1, 2, 3, 4, 5]]
    assert arrays["sources"][0].tolist() == [[1, -1, -1, -1, -1]]


def test_joined_documents_are_one_text_to_the_model():
    separate = batch([[1, 1, 1, 2, 2, 2, 0, 0]], [[0, 1, 1, 0, 1, 1, 0, 0]])
    separate["positions"] = np.array([[0, 1, 2, 0, 1, 2, 0, 0]], np.uint16)
    joined = join_documents(separate)
    assert joined["segments"].tolist() == [[1] * 6 + [0, 0]]
    assert joined["positions"].tolist() == [[0, 1, 2, 3, 4, 5, 0, 0]]
    assert np.array_equal(prepare(separate, 1, "tokens")["weights"], prepare(joined, 1, "tokens")["weights"])
    # Without begin markers the second document's first token is a target too.
    marked = {**separate, "loss": np.ones((1, 8), np.uint8)}
    assert (prepare(marked, 1, "tokens")["weights"] > 0).tolist() == [[[True, True, False, True, True, False, False]]]
    assert (prepare(join_documents(marked), 1, "tokens")["weights"] > 0).tolist() == [[[True] * 5 + [False] * 2]]

    config = small_config()
    model = build(config, random_tensors(config).__getitem__)

    def logits(rows):
        return np.asarray(model(*(rows[name].astype(np.int32) for name in ("tokens", "segments", "positions"))))[0]

    tokens = separate["tokens"].astype(np.int32)
    np.testing.assert_allclose(logits(joined)[:6], np.asarray(model(tokens[:, :6]))[0], atol=1e-5)
    np.testing.assert_allclose(logits(separate)[3:6], np.asarray(model(tokens[:, 3:6]))[0], atol=1e-5)
    assert np.abs(logits(joined)[3:6] - logits(separate)[3:6]).max() > 0.01


def test_padding_to_a_multiple_adds_no_target():
    given_batch = batch([[1, 1, 1, 1, 2, 2]], np.ones((1, 6)))
    plain, padded = prepare(given_batch, 1, "tokens"), prepare(given_batch, 1, "tokens", multiple=4)
    for name, array in plain.items():
        assert padded[name].shape == (1, 1, 8)
        assert np.array_equal(padded[name][..., :5], array)
    assert (padded["weights"][..., 5:] == 0).all() and (padded["sources"][..., 5:] == -1).all()
    assert (padded["segments"][..., 5:] == 0).all()


def test_weights_are_normalised_by_the_total_over_all_processes():
    rows = batch([[1] * 5, [1, 1, 0, 0, 0]], np.ones((2, 5)))
    whole = prepare(rows, 1, "tokens")["weights"][0]
    first = prepare({name: array[:1] for name, array in rows.items()}, 1, "tokens", total=lambda local: local + 1)
    assert np.array_equal(first["weights"][0][0], whole[0])


def test_normalisation_decides_the_weight_of_sequences_of_different_length():
    segments = [[1] * 5, [1, 1, 0, 0, 0]]
    marked = np.ones((2, 5))
    by_token = prepare(batch(segments, marked), 1, "tokens")["weights"][0]
    assert np.allclose(by_token, [[0.2] * 4, [0.2, 0, 0, 0]])
    by_sequence = prepare(batch(segments, marked), 1, "sequences")["weights"][0]
    assert np.allclose(by_sequence, [[0.125] * 4, [0.5, 0, 0, 0]])


@pytest.mark.parametrize("normalisation", ["tokens", "sequences"])
def test_a_batch_without_targets_has_weight_0(normalisation):
    arrays = prepare(batch([[1, 1, 0]], np.zeros((1, 3))), 1, normalisation)
    assert arrays["weights"].tolist() == [[[0, 0]]]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.integers(0, 3), min_size=8, max_size=8), min_size=4, max_size=4), st.booleans())
def test_weights_sum_to_1_and_do_not_depend_on_microbatches(segments, by_token):
    given_batch = batch(np.sort(segments, axis=1), np.ones((4, 8)))
    normalisation = "tokens" if by_token else "sequences"
    whole = prepare(given_batch, 1, normalisation)["weights"]
    assert np.isclose(whole.sum(), 1, atol=1e-5) or whole.sum() == 0
    assert np.array_equal(prepare(given_batch, 4, normalisation)["weights"].ravel(), whole.ravel())


def test_gradients_of_microbatches_add_up_to_the_batch():
    config = small_config()
    model = build(config, random_tensors(config).__getitem__)
    from flax import nnx

    graph, params = nnx.split(model)
    rng = np.random.default_rng(0)
    segments = np.sort(rng.integers(0, 3, (4, 12)), axis=1)
    given_batch = batch(segments, rng.integers(0, 2, (4, 12)))
    gradient = jax.jit(jax.value_and_grad(lambda p, b: weighted_loss(nnx.merge(graph, p), b, 3), has_aux=True))

    def total(microbatches):
        arrays = prepare(given_batch, microbatches, "tokens")
        parts = [gradient(params, {k: v[n] for k, v in arrays.items()}) for n in range(microbatches)]
        return jax.tree.map(lambda *leaves: sum(leaves), *parts)

    (loss, by_source), _ = total(1)
    counted = prepare(given_batch, 1, "tokens")["weights"] > 0
    assert np.isclose(np.asarray(by_source).sum() / counted.sum(), loss, rtol=1e-5)
    for whole, summed in zip(jax.tree.leaves(total(1)), jax.tree.leaves(total(2)), strict=True):
        np.testing.assert_allclose(whole, summed, atol=2e-5, rtol=1e-4)
