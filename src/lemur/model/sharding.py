"""Which dimension of the model is split along which axis of the mesh, by logical names.

Outside a mesh (`jax.set_mesh`) the functions here do nothing, so one device runs the same program as without them.
"""

from typing import Any

import jax
from flax import nnx
from jax import Array
from jax.sharding import Mesh, NamedSharding, PartitionSpec

# Outermost first: neighbours along the last axis are the closest devices.
AXES = ("data", "fsdp", "sequence", "tensor")

# Logical dimension -> axes that split it. Weights are split along `fsdp` and `sequence` (ZeRO-3; the sequence axis
# would otherwise hold copies of them) and, by heads or MLP width, along `tensor` (Megatron-LM). Between layers,
# activations are split along `tensor` by position (sequence parallelism, Korthikanti et al., 2022).
RULES: dict[str, tuple[str, ...]] = {
    "batch": ("data", "fsdp"),
    "length": ("sequence",),
    "residual_length": ("sequence", "tensor"),
    "vocab": ("tensor",),
    "embed": ("fsdp", "sequence"),
    "looked_up": ("fsdp",),  # the embedding's width during the lookup of tokens, which are split by length
    "heads": ("tensor",),
    "kv_heads": ("tensor",),
    "mlp": ("tensor",),
    "layers": (),
}

# Dimensions of each parameter (EasyLM's partition rules say the same).
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
    """How an array with logical dimensions `names` is split. A dimension that the axes do not divide stays whole, for
    example a vocabulary of 32,005 on any even number of devices."""
    splits: list[tuple[str, ...] | None] = []
    for size, name in zip(shape, names, strict=True):
        axes = tuple(axis for axis in RULES[name] if mesh.shape[axis] > 1) if name else ()
        count = 1
        for axis in axes:
            count *= mesh.shape[axis]
        splits.append(axes if axes and size % count == 0 else None)
    return PartitionSpec(*splits)


def constrain(x: Array, *names: str | None) -> Array:
    """`x`, split over the current mesh by the logical names of its dimensions (None: whole)."""
    mesh = jax.sharding.get_abstract_mesh()
    return x if mesh.empty else jax.lax.with_sharding_constraint(x, spec(mesh, x.shape, names))


def gather_weight(weight: Array, dtype: Any, *names: str | None) -> Array:
    """A weight in `dtype` as a product reads it: gathered whole, except along the named dimensions.

    Each device then multiplies its part of the activations, and a gradient is the sum of those products. By itself XLA
    gathers the whole batch's activations where both fsdp and sequence split a weight (122 GiB a chip at 70B).
    """
    return constrain(weight.astype(dtype), *names)


def parameter_sharding(mesh: Mesh, name: str, shape: tuple[int, ...]) -> NamedSharding:
    """The sharding of a parameter, by its dotted name."""
    return NamedSharding(mesh, spec(mesh, shape, LOGICAL_AXES[name]))


def parameter_shardings(mesh: Mesh, params: nnx.State) -> Any:
    """The same for every leaf of a model's state."""
    return jax.tree.map_with_path(
        lambda path, leaf: parameter_sharding(mesh, _dotted_name(path), leaf.shape),
        params,
    )


def _dotted_name(path: Any) -> str:
    return ".".join(str(key.key) for key in path if isinstance(key, jax.tree_util.DictKey))
