"""The KV cache compared with whole forward passes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from lemur.inference.decoding import extend, prefill
from lemur.model.weights import build
from tests.model.reference import random_tensors, small_config
from tests.model.test_llama import LLAMA3


def test_decoding_with_the_cache_equals_the_whole_forward_pass():
    config = small_config(rope_scaling=LLAMA3)
    graph, params = nnx.split(build(config, random_tensors(config).__getitem__))
    tokens = np.random.default_rng(3).integers(0, 61, (3, 20))
    whole = np.asarray(nnx.merge(graph, params)(tokens))
    lengths = np.array([4, 9, 1])
    prompts = np.where(np.arange(9) < lengths[:, None], tokens[:, :9], 7)  # 7: any padding, which is ignored
    fill = jax.jit(lambda p, t, n: prefill(nnx.merge(graph, p), t, n, cache_length=20))
    step = jax.jit(lambda p, c, t: extend(nnx.merge(graph, p), c, t[:, None], jnp.ones_like(t)))
    logits, cache = fill(params, prompts, lengths)
    rows = np.arange(3)
    for new in range(11):
        np.testing.assert_allclose(np.asarray(logits), whole[rows, lengths - 1 + new], atol=5e-5)
        logits, cache = step(params, cache, jnp.asarray(tokens[rows, lengths + new]))
    assert cache.length.tolist() == [15, 20, 12]


def test_a_cache_shorter_than_the_prompts_is_rejected():
    config = small_config()
    model = build(config, random_tensors(config).__getitem__)
    with pytest.raises(ValueError, match="prompts are 9 tokens long, the cache only 8"):
        prefill(model, jnp.zeros((1, 9), int), jnp.ones(1, int), cache_length=8)


def test_rows_can_be_extended_by_different_numbers_of_tokens():
    config = small_config(num_attention_heads=4, num_key_value_heads=2)
    model = build(config, random_tensors(config).__getitem__)
    tokens = np.random.default_rng(3).integers(0, 61, (3, 20))
    whole = np.asarray(model(tokens))
    lengths, more = np.array([4, 9, 1]), np.array([5, 1, 3])
    prompts = np.where(np.arange(9) < lengths[:, None], tokens[:, :9], 7)
    rows = np.arange(3)
    rest = np.stack([np.resize(tokens[row, lengths[row] : lengths[row] + more[row]], 5) for row in rows])
    _, cache = prefill(model, prompts, lengths, cache_length=20)
    logits, cache = extend(model, cache, rest, more)
    np.testing.assert_allclose(np.asarray(logits), whole[rows, lengths + more - 1], atol=5e-5)
    # The next token does not see the padding's entries in the cache either.
    logits, _ = extend(model, cache, tokens[rows, lengths + more][:, None], np.ones(3, int))
    np.testing.assert_allclose(np.asarray(logits), whole[rows, lengths + more], atol=5e-5)
