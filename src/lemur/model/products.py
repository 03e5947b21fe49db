"""Matrix products in the one form that gives the same bits on every x86-64 processor (docs/reproducibility.md).

On CPUs XLA hands a product to YNNPACK if the axes that it sums over come last in its left operand, else to Eigen, which
orders its sums by the sizes of the processor's caches. The gradient of a weight, `x.T @ g`, is of the second kind, so
the products here bring gradients of their own, which turn the narrower operand round first.
"""

from functools import partial

import jax
from jax import Array, lax
from jax.typing import DTypeLike


def linear(x: Array, weight: Array, dtype: DTypeLike | None = None) -> Array:
    """`x @ weight` for x [..., K] and weight [K, M]; the sums, and the result [..., M], are of `dtype` (None: x's)."""
    return _product(x, weight, 0, dtype or x.dtype)


def linear_transposed(x: Array, weight: Array, dtype: DTypeLike | None = None) -> Array:
    """The same with the transposed weight, [M, K]."""
    return _product(x, weight, 1, dtype or x.dtype)


@partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def _product(x: Array, weight: Array, axis: int, dtype: DTypeLike) -> Array:
    """Sums over the last axis of x and `axis` of the weight."""
    return lax.dot_general(x, weight, (((x.ndim - 1,), (axis,)), ((), ())), preferred_element_type=dtype)


def _forward(x: Array, weight: Array, axis: int, dtype: DTypeLike) -> tuple[Array, tuple[Array, Array]]:
    return _product(x, weight, axis, dtype), (x, weight)


def _backward(axis: int, dtype: DTypeLike, saved: tuple[Array, Array], g: Array) -> tuple[Array, Array]:
    x, weight = saved
    along_x = lax.dot_general(g, weight, (((g.ndim - 1,), (1 - axis,)), ((), ())), preferred_element_type=dtype)
    if x.shape[-1] <= g.shape[-1]:
        along_weight, along = _over_rows(x, g, dtype), 0  # [K, M]
    else:
        along_weight, along = _over_rows(g, x, dtype), 1  # [M, K]
    if along != axis:
        along_weight = held(along_weight).T
    return along_x.astype(x.dtype), along_weight.astype(weight.dtype)


_product.defvjp(_forward, _backward)


def _over_rows(left: Array, right: Array, dtype: DTypeLike) -> Array:
    """[N, P]: the sum over all axes but the last of left [..., N] and right [..., P]."""
    rows = left.ndim - 1
    turned = held(lax.transpose(left, (rows, *range(rows))))
    axes = (tuple(range(1, rows + 1)), tuple(range(rows)))
    return lax.dot_general(turned, right, (axes, ((), ())), preferred_element_type=dtype)


def held(x: Array) -> Array:
    """`x`, which XLA for CPUs then computes as it stands here: it would fold a transposition into the product beside it
    and so undo the form. Other devices have no need of it."""
    return lax.platform_dependent(x, cpu=lax.optimization_barrier, default=lambda x: x)
