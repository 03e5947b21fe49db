"""Causal attention within segments: by XLA anywhere, by the Pallas splash (flash) kernel on TPU."""

from collections.abc import Callable
from typing import Any, Literal

import jax
from jax import Array
from jax.sharding import PartitionSpec

from lemur.model.sharding import AXES, constrain, spec

Attend = Callable[[Array, Array, Array], Array]
Kind = Literal["xla", "splash", "splash_interpreted"]

# The kernel's tiles along the length; a sequence is padded to a multiple of BLOCK on each device.
BLOCK = 128
LARGEST_BLOCK = 512


def attention(kind: Kind, segments: Array | None) -> Attend:
    """`attend(query, key, value)` for queries [B, L, heads, head_dim], keys and values [B, L, kv_heads, head_dim] and
    segments [B, L]; the result has the queries' shape.

    `splash_interpreted` is the TPU kernel on any machine, slowly, for tests.
    """
    mask = None if segments is None else (segments[:, :, None] == segments[:, None, :])[:, None]

    def attend(query: Array, key: Array, value: Array) -> Array:
        query = constrain(query, "batch", "length", "heads", None)
        # Each device holds its part of the queries and all keys: what the sequence axis communicates.
        key = constrain(key, "batch", None, "kv_heads", None)
        value = constrain(value, "batch", None, "kv_heads", None)
        if kind == "xla":
            out = jax.nn.dot_product_attention(query, key, value, mask=mask, is_causal=True)
            return constrain(out, "batch", "length", "heads", None)
        return _splash(query, key, value, segments, interpret=kind == "splash_interpreted")

    return attend


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
            f"a sequence of {length} tokens is cut into {sizes['sequence']} parts; the kernel takes parts of a "
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

    def each(kernel: Any, query: Array, key: Array, value: Array, ids: tuple[Array, Array] | None) -> Array:
        ids = None if ids is None else SegmentIds(*ids)
        return jax.vmap(kernel)(query * scale, key, value, ids)

    query, key, value = (x.swapaxes(1, 2) for x in (query, key, value))
    ids = None if segments is None else (segments, segments)
    if mesh.empty:
        out = each(kernel, query, key, value, ids)
    else:
        q_spec = spec(mesh, query.shape, ("batch", "heads", "length", None))
        kv_spec = spec(mesh, key.shape, ("batch", "kv_heads", None, None))
        ids_spec = None if segments is None else (PartitionSpec(q_spec[0], q_spec[2]), PartitionSpec(q_spec[0], None))
        kernel_spec = kernel.manual_sharding_spec(jax.sharding.NamedSharding(mesh, PartitionSpec("tensor", "sequence")))
        out = jax.shard_map(
            each,
            mesh=mesh,
            in_specs=(kernel_spec, q_spec, kv_spec, kv_spec, ids_spec),
            out_specs=q_spec,
            check_vma=False,
        )(kernel, query, key, value, ids)
    return out.swapaxes(1, 2)
