"""Which dimension of the model lies along which axis of the mesh, by logical names.

Outside a mesh (`jax.set_mesh`) nothing here does anything, so one device runs the program it would run without.
"""

from typing import Any

import jax
from flax import nnx
from jax import Array
from jax.sharding import Mesh, NamedSharding, PartitionSpec

# Outermost first: neighbours along the last axis are the closest devices.
AXES = ("data", "fsdp", "sequence", "tensor")

# Logical dimension -> axes it is cut along. Weights are cut along `fsdp` and `sequence` (ZeRO-3; the sequence axis
# has nothing else to hold of them) and, by heads or MLP width, along `tensor` (Megatron-LM). Between layers,
# activations are cut along `tensor` by position (sequence parallelism, Korthikanti et al., 2022).
RULES: dict[str, tuple[str, ...]] = {
    "batch": ("data", "fsdp"),
    "length": ("sequence",),
    "residual_length": ("sequence", "tensor"),
    "vocab": ("tensor",),
    "embed": ("fsdp", "sequence"),
    "looked_up": ("fsdp",),  # the embedding, when tokens (cut by length) are looked up in it
    "heads": ("tensor",),
    "kv_heads": ("tensor",),
    "mlp": ("tensor",),
    "layers": (),
}

# Dimensions of each parameter (what EasyLM's partition rules stand for).
LOGICAL_AXES: dict[str, tuple[str, ...]] = {
    "embedding": ("vocab", "embed"),
    "head": ("embed", "vocab"),
    "norm": ("embed",),
    "layers.attention_norm": ("layers", "embed"),
    "layers.query": ("layers", "embed", "heads"),
    "layers.key": ("layers", "embed", "kv_heads"),
    "layers.value": ("layers", "embed", "kv_heads"),
    "layers.output": ("layers", "heads", "embed"),
    "layers.mlp_norm": ("layers", "embed"),
    "layers.gate": ("layers", "embed", "mlp"),
    "layers.up": ("layers", "embed", "mlp"),
    "layers.down": ("layers", "mlp", "embed"),
}


def spec(mesh: Any, shape: tuple[int, ...], names: tuple[str | None, ...]) -> PartitionSpec:
    """How an array of logical dimensions `names` is cut. A dimension that the axes do not divide stays whole: a
    vocabulary of 32,005 on any even number of devices, for one."""
    cut: list[tuple[str, ...] | None] = []
    for size, name in zip(shape, names, strict=True):
        axes = tuple(axis for axis in RULES[name] if mesh.shape[axis] > 1) if name else ()
        count = 1
        for axis in axes:
            count *= mesh.shape[axis]
        cut.append(axes if axes and size % count == 0 else None)
    return PartitionSpec(*cut)


def constrain(x: Array, *names: str | None) -> Array:
    """`x`, cut along the current mesh by the logical names of its dimensions (None: whole)."""
    mesh = jax.sharding.get_abstract_mesh()
    return x if mesh.empty else jax.lax.with_sharding_constraint(x, spec(mesh, x.shape, names))


def gathered(weight: Array, dtype: Any, *names: str | None) -> Array:
    """A weight in `dtype` as a product reads it: whole, but for the dimensions named.

    Each device then multiplies its part of the activations, and a gradient is the sum of those products. Left to itself
    XLA gathers the whole batch's activations where both fsdp and sequence cut a weight (122 GiB a chip at 70B).
    """
    return constrain(weight.astype(dtype), *names)


def parameter_sharding(mesh: Mesh, name: str, shape: tuple[int, ...]) -> NamedSharding:
    """Where a parameter lies, by its dotted name."""
    return NamedSharding(mesh, spec(mesh, shape, LOGICAL_AXES[name]))


def parameter_shardings(mesh: Mesh, params: nnx.State) -> Any:
    """The same for every leaf of a model's state."""
    return jax.tree.map_with_path(
        lambda path, leaf: parameter_sharding(mesh, _dotted(path), leaf.shape),
        params,
    )


def _dotted(path: Any) -> str:
    return ".".join(str(key.key) for key in path if isinstance(key, jax.tree_util.DictKey))
