"""Products and attention with their own gradients, compared with JAX's."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array

from lemur.model.attention import attention
from lemur.model.matrix_products import linear, linear_transposed


def normal(*shape: int) -> Array:
    return jnp.asarray(np.random.default_rng([*shape]).standard_normal(shape, np.float32))


def assert_same(ours: Callable[..., Array], theirs: Callable[..., Array], *arrays: Array) -> None:
    """Compares values and gradients of both, for a random gradient of the result."""
    value, gradients = jax.vjp(ours, *arrays)
    expected, expected_gradients = jax.vjp(theirs, *arrays)
    assert value.dtype == expected.dtype
    np.testing.assert_allclose(value, expected, rtol=1e-5, atol=1e-5)
    g = normal(*value.shape).astype(value.dtype)
    for gradient, expected_gradient in zip(gradients(g), expected_gradients(g), strict=True):
        assert gradient.dtype == expected_gradient.dtype
        np.testing.assert_allclose(gradient, expected_gradient, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("wide", "narrow"), [(24, 8), (8, 24), (16, 16)])
@pytest.mark.parametrize("rows", [(7,), (2, 5), (2, 3, 4)])
def test_products_and_their_gradients(rows: tuple[int, ...], wide: int, narrow: int) -> None:
    assert_same(linear, lambda x, w: x @ w, normal(*rows, wide), normal(wide, narrow))
    assert_same(linear_transposed, lambda x, w: x @ w.T, normal(*rows, wide), normal(narrow, wide))


def test_bfloat16_operands_with_a_float32_result() -> None:
    x, weight = normal(2, 5, 16).astype(jnp.bfloat16), normal(24, 16).astype(jnp.bfloat16)
    for ours, w in ((linear_transposed, weight), (linear, weight.T)):
        value, gradients = jax.vjp(lambda x, w, ours=ours: ours(x, w, jnp.float32), x, w)
        assert value.dtype == jnp.float32
        expected = x.astype(jnp.float32) @ weight.astype(jnp.float32).T
        np.testing.assert_allclose(value, expected, rtol=1e-5, atol=1e-5)
        assert [gradient.dtype for gradient in gradients(value)] == [jnp.bfloat16] * 2


@pytest.mark.parametrize(("heads", "kv_heads"), [(4, 4), (4, 2), (9, 3), (4, 1)])
@pytest.mark.parametrize("packed", [False, True])
def test_attention_matches_jax(heads: int, kv_heads: int, packed: bool) -> None:
    segments = jnp.asarray([[1] * 5 + [2] * 6 + [0] * 2, [1] * 13]) if packed else None
    mask = None if segments is None else (segments[:, :, None] == segments[:, None, :])[:, None]
    assert_same(
        attention("xla", segments),
        lambda q, k, v: jax.nn.dot_product_attention(q, k, v, mask=mask, is_causal=True),
        normal(2, 13, heads, 8),
        normal(2, 13, kv_heads, 8),
        normal(2, 13, kv_heads, 8) + 1,
    )
