"""Causal attention within segments: plain XLA on any device, the Pallas splash (flash) kernel on TPU."""

from collections.abc import Callable
from typing import Any, Literal

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.sharding import PartitionSpec

from lemur.model.matrix_products import cpu_barrier
from lemur.model.sharding import AXES, constrain, spec

Attend = Callable[[Array, Array, Array], Array]
Kind = Literal["xla", "splash", "splash_interpreted"]

# The kernel's tile sizes along the length; each device's part of a sequence is padded to a multiple of BLOCK.
BLOCK = 128
LARGEST_BLOCK = 512


def attention(kind: Kind, segments: Array | None) -> Attend:
    """`attend(query, key, value)` for queries [B, L, heads, head_dim], keys and values [B, L, kv_heads, head_dim] and
    segments [B, L]; the result has the queries' shape.

    `splash_interpreted` runs the TPU kernel on any machine, slowly, for tests.
    """
    same_segment = None if segments is None else segments[:, :, None] == segments[:, None, :]

    def attend(query: Array, key: Array, value: Array) -> Array:
        query = constrain(query, "batch", "length", "heads", None)
        # Each device holds its part of the queries and all keys; the sequence axis communicates these.
        key = constrain(key, "batch", None, "kv_heads", None)
        value = constrain(value, "batch", None, "kv_heads", None)
        if kind == "xla":
            return constrain(_xla(query, key, value, same_segment), "batch", "length", "heads", None)
        return _splash(query, key, value, segments, interpret=kind == "splash_interpreted")

    return attend


def _xla(query: Array, key: Array, value: Array, same_segment: Array | None) -> Array:
    """As `jax.nn.dot_product_attention`, with products in the form of lemur.model.matrix_products. `same_segment`: bool
    [B, L, L]."""
    batch, length, heads, size = query.shape
    kv_heads = key.shape[2]
    allowed = jnp.tril(jnp.ones((length, length), bool))[None]
    allowed = allowed if same_segment is None else allowed & same_segment
    grouped = (query * size**-0.5).reshape(batch, length, kv_heads, heads // kv_heads, size)
    out = _masked_attention(grouped.transpose(0, 2, 3, 1, 4), key.swapaxes(1, 2), value.swapaxes(1, 2), allowed)
    return out.transpose(0, 3, 1, 2, 4).reshape(batch, length, heads, size)


@jax.custom_vjp
def _masked_attention(query: Array, key: Array, value: Array, allowed: Array) -> Array:
    """Attention [B, kv_heads, group, L, size] for queries of that shape, keys and values [B, kv_heads, L, size] and
    allowed [B or 1, L, L]. The gradient transposes arrays [L, size], never [L, L], which would take a third of a
    step."""
    return _masked_attention_forward(query, key, value, allowed)[0]


def _masked_attention_forward(
    query: Array, key: Array, value: Array, allowed: Array
) -> tuple[Array, tuple[Array, ...]]:
    scores = _by_head(query, key, (4, 3), jnp.float32)
    weights = jax.nn.softmax(jnp.where(allowed[:, None, None], scores, jnp.finfo(jnp.float32).min), axis=-1)
    return _by_head(weights.astype(value.dtype), value, (4, 2), value.dtype), (query, key, value, weights)


def _masked_attention_backward(saved: tuple[Array, ...], g: Array) -> tuple[Array, Array, Array, None]:
    query, key, value, weights = saved
    grad_value = _by_head(_transposed(g), weights.astype(g.dtype), ((3, 4), (2, 3)), value.dtype)
    grad_weights = _by_head(g, value, (4, 3), jnp.float32)
    grad_scores = weights * (grad_weights - jnp.sum(grad_weights * weights, axis=-1, keepdims=True))
    grad_scores = grad_scores.astype(query.dtype)
    grad_query = _by_head(grad_scores, key, (4, 2), query.dtype)
    grad_key = _by_head(_transposed(query), grad_scores, ((3, 4), (2, 3)), key.dtype)
    return grad_query, cpu_barrier(grad_key).swapaxes(2, 3), cpu_barrier(grad_value).swapaxes(2, 3), None


_masked_attention.defvjp(_masked_attention_forward, _masked_attention_backward)


def _transposed(x: Array) -> Array:
    """[B, kv_heads, size, group, L] from [B, kv_heads, group, L, size]."""
    return cpu_barrier(x.transpose(0, 1, 4, 2, 3))


def _by_head(left: Array, right: Array, axes: Any, dtype: Any) -> Array:
    """The product of two arrays for each sequence and key-value head, summed over `axes` of the left and the right."""
    left_axes, right_axes = ((axis,) if isinstance(axis, int) else axis for axis in axes)
    return lax.dot_general(left, right, ((left_axes, right_axes), ((0, 1), (0, 1))), preferred_element_type=dtype)


def _splash(query: Array, key: Array, value: Array, segments: Array | None, *, interpret: bool) -> Array:
    from jax.experimental.pallas.ops.tpu.splash_attention import (
        BlockSizes,
        CausalMask,
        MultiHeadMask,
        SegmentIds,
        make_splash_mha,
    )

    mesh = jax.sharding.get_abstract_mesh()
    length, heads = query.shape[1:3]
    sizes = {axis: 1 if mesh.empty else mesh.shape[axis] for axis in AXES}
    local = length // sizes["sequence"]
    if length % sizes["sequence"] or local % BLOCK:
        raise ValueError(
            f"a sequence of {length} tokens is split into {sizes['sequence']} parts; the kernel needs parts of a "
            f"multiple of {BLOCK} tokens"
        )
    block = next(size for size in range(LARGEST_BLOCK, 0, -BLOCK) if local % size == 0)
    kernel = make_splash_mha(
        MultiHeadMask([CausalMask((length, length))] * heads),
        block_sizes=BlockSizes(
            block_q=block,
            block_kv=block,
            block_kv_compute=block,
            block_q_dkv=block,
            block_kv_dkv=block,
            block_kv_dkv_compute=block,
            block_q_dq=block,
            block_kv_dq=block,
        ),
        head_shards=sizes["tensor"],
        q_seq_shards=sizes["sequence"],
        interpret=interpret,
    )
    scale = query.shape[-1] ** -0.5

    def apply_kernel(kernel: Any, query: Array, key: Array, value: Array, ids: tuple[Array, Array] | None) -> Array:
        ids = None if ids is None else SegmentIds(*ids)
        return jax.vmap(kernel)(query * scale, key, value, ids)

    query, key, value = (x.swapaxes(1, 2) for x in (query, key, value))
    ids = None if segments is None else (segments, segments)
    if mesh.empty:
        out = apply_kernel(kernel, query, key, value, ids)
    else:
        q_spec = spec(mesh, query.shape, ("batch", "heads", "length", None))
        kv_spec = spec(mesh, key.shape, ("batch", "kv_heads", None, None))
        ids_spec = None if segments is None else (PartitionSpec(q_spec[0], q_spec[2]), PartitionSpec(q_spec[0], None))
        kernel_spec = kernel.manual_sharding_spec(jax.sharding.NamedSharding(mesh, PartitionSpec("tensor", "sequence")))
        out = jax.shard_map(
            apply_kernel,
            mesh=mesh,
            in_specs=(kernel_spec, q_spec, kv_spec, kv_spec, ids_spec),
            out_specs=q_spec,
            check_vma=False,
        )(kernel, query, key, value, ids)
    return out.swapaxes(1, 2)
