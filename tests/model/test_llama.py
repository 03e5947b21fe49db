"""The JAX model against the NumPy reference, and its packing masks."""

import jax
import numpy as np
import pytest
from flax import nnx

from lemur.model.config import RopeScaling
from lemur.model.sharding import LOGICAL_AXES
from lemur.model.weights import build
from tests.model.reference import logits, random_tensors, small_config

LLAMA3 = RopeScaling("llama3", 4.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=32)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"num_key_value_heads": 4, "tie_word_embeddings": True},
        {"num_key_value_heads": 1, "head_dim": 6, "rope_theta": 500.0},
        {"rope_scaling": RopeScaling("linear", 2.0)},
        {"rope_scaling": LLAMA3, "head_dim": 16},
    ],
    ids=["grouped", "all_heads_tied", "one_head", "linear", "llama3"],
)
@pytest.mark.parametrize("remat", ["none", "full"])
def test_logits_equal_the_numpy_model(changes, remat):
    config = small_config(**changes)
    weights = random_tensors(config)
    model = build(config, weights.__getitem__, remat=remat)
    tokens = np.random.default_rng(1).integers(0, config.vocab_size, (2, 24))
    computed = np.asarray(jax.jit(model.__call__)(tokens))
    assert computed.dtype == np.float32
    for row in range(2):
        np.testing.assert_allclose(computed[row], logits(config, weights, tokens[row]), atol=2e-4)


def test_packed_documents_do_not_see_each_other():
    config = small_config()
    model = build(config, random_tensors(config).__getitem__)
    rng = np.random.default_rng(2)
    first, second = rng.integers(0, 61, 9), rng.integers(0, 61, 5)
    tokens = np.concatenate([first, second, np.zeros(4, int)])[None]
    segments = np.repeat([1, 2, 0], [9, 5, 4])[None]
    positions = np.concatenate([np.arange(9), np.arange(5), np.arange(4)])[None]
    packed = np.asarray(model(tokens, segments, positions))
    assert np.isfinite(packed).all()
    np.testing.assert_allclose(packed[0, :9], np.asarray(model(first[None]))[0], atol=2e-5)
    np.testing.assert_allclose(packed[0, 9:14], np.asarray(model(second[None]))[0], atol=2e-5)
    unmasked = np.asarray(model(tokens))
    assert np.abs(unmasked[0, 9:14] - packed[0, 9:14]).max() > 0.1


def test_every_parameter_has_logical_axes():
    config = small_config()
    state = nnx.to_pure_dict(nnx.state(build(config, random_tensors(config).__getitem__)))
    layers = state.pop("layers")
    shapes = {name: array.ndim for name, array in state.items()}
    shapes |= {f"layers.{name}": array.ndim for name, array in layers.items()}
    assert shapes == {name: len(axes) for name, axes in LOGICAL_AXES.items()}


def test_bfloat16_is_close_to_float32_and_returns_float32():
    config = small_config()
    weights = random_tensors(config)
    tokens = np.arange(12)[None]
    wide = np.asarray(build(config, weights.__getitem__)(tokens))
    narrow = np.asarray(build(config, weights.__getitem__, dtype="bfloat16")(tokens))
    assert narrow.dtype == np.float32
    assert 1e-6 < np.abs(wide - narrow).max() < 0.2 * np.abs(wide).max()


def test_a_policy_recomputes_what_it_says():
    config = small_config()
    products = {}
    for remat in ("none", "dots", "full"):
        graph, params = nnx.split(build(config, random_tensors(config).__getitem__, remat=remat))
        tokens = np.zeros((1, 8), int)
        gradient = jax.grad(lambda params, graph=graph, tokens=tokens: nnx.merge(graph, params)(tokens).sum())
        products[remat] = str(jax.make_jaxpr(gradient)(params)).count("dot_general")
    # A layer's attention has two products of its own; of the seven with weights the last is not needed again.
    assert products["dots"] - products["none"] == 2
    assert products["full"] - products["dots"] == 6
