"""Matrix products in the one form that gives the same bits on every x86-64 processor (docs/reproducibility.md).

On CPUs XLA gives a product to YNNPACK if the summed axes come last in its left operand, else to Eigen, which orders its
sums by the processor's cache sizes. A weight's gradient, `x.T @ g`, is of the second kind, so the products here define
their own gradients, which transpose the narrower operand first.
"""

from functools import partial

import jax
from jax import Array, lax
from jax.ad_checkpoint import checkpoint_name
from jax.typing import DTypeLike

PRODUCT = "product"
"""The name of the results of `linear` for `jax.checkpoint`, whose policies do not see into functions with gradients of
their own."""


def linear(x: Array, weight: Array, dtype: DTypeLike | None = None) -> Array:
    """`x @ weight` for x [..., K] and weight [K, M]; sums and the result [..., M] have `dtype` (None: x's)."""
    return checkpoint_name(_product(x, weight, 0, dtype or x.dtype), PRODUCT)


def linear_transposed(x: Array, weight: Array, dtype: DTypeLike | None = None) -> Array:
    """The same with the transposed weight, [M, K]."""
    return checkpoint_name(_product(x, weight, 1, dtype or x.dtype), PRODUCT)


@partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def _product(x: Array, weight: Array, axis: int, dtype: DTypeLike) -> Array:
    """Sums over the last axis of x and `axis` of the weight."""
    return lax.dot_general(x, weight, (((x.ndim - 1,), (axis,)), ((), ())), preferred_element_type=dtype)


def _forward(x: Array, weight: Array, axis: int, dtype: DTypeLike) -> tuple[Array, tuple[Array, Array]]:
    return _product(x, weight, axis, dtype), (x, weight)


def _backward(axis: int, dtype: DTypeLike, saved: tuple[Array, Array], g: Array) -> tuple[Array, Array]:
    x, weight = saved
    grad_x = lax.dot_general(g, weight, (((g.ndim - 1,), (1 - axis,)), ((), ())), preferred_element_type=dtype)
    if x.shape[-1] <= g.shape[-1]:
        grad_weight, grad_axis = _sum_over_rows(x, g, dtype), 0  # [K, M]
    else:
        grad_weight, grad_axis = _sum_over_rows(g, x, dtype), 1  # [M, K]
    if grad_axis != axis:
        grad_weight = cpu_barrier(grad_weight).T
    return grad_x.astype(x.dtype), grad_weight.astype(weight.dtype)


_product.defvjp(_forward, _backward)


def _sum_over_rows(left: Array, right: Array, dtype: DTypeLike) -> Array:
    """[N, P]: the product summed over all axes except the last of left [..., N] and right [..., P]."""
    rows = left.ndim - 1
    transposed = cpu_barrier(lax.transpose(left, (rows, *range(rows))))
    axes = (tuple(range(1, rows + 1)), tuple(range(rows)))
    return lax.dot_general(transposed, right, (axes, ((), ())), preferred_element_type=dtype)


def cpu_barrier(x: Array) -> Array:
    """`x` behind an optimization barrier on CPUs, where XLA would fold a transposition into the product next to it and
    so undo the form. Other devices do not need it."""
    return lax.platform_dependent(x, cpu=lax.optimization_barrier, default=lambda x: x)
