"""Tensors of a Hugging Face `LlamaForCausalLM` <-> parameters of `lemur.model.llama.Llama`.

Hugging Face stores linear weights as [out, in], one tensor per layer; here they are [in, out] with layers stacked.
"""

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.sharding import Mesh, NamedSharding

from lemur.model.config import LlamaConfig
from lemur.model.llama import Llama
from lemur.model.sharding import parameter_sharding

ReadTensor = Callable[[str], np.ndarray]

# parameter -> (tensor name, whether it is transposed)
_WHOLE = {
    "embedding": ("model.embed_tokens.weight", False),
    "norm": ("model.norm.weight", False),
    "head": ("lm_head.weight", True),
}
_LAYER = {
    "attention_norm": ("input_layernorm", False),
    "query": ("self_attn.q_proj", True),
    "key": ("self_attn.k_proj", True),
    "value": ("self_attn.v_proj", True),
    "output": ("self_attn.o_proj", True),
    "mlp_norm": ("post_attention_layernorm", False),
    "gate": ("mlp.gate_proj", True),
    "up": ("mlp.up_proj", True),
    "down": ("mlp.down_proj", True),
}


def _layer_tensor(parameter: str, layer: int) -> str:
    return f"model.layers.{layer}.{_LAYER[parameter][0]}.weight"


def tensor_shapes(config: LlamaConfig) -> dict[str, tuple[int, ...]]:
    """Shape of every tensor of a model, by sorted name."""
    state = nnx.to_pure_dict(nnx.state(_abstract(config)))
    shapes = {}
    for parameter, (name, transposed) in _WHOLE.items():
        if parameter in state:
            shapes[name] = state[parameter].shape[:: -1 if transposed else 1]
    for parameter, (_, transposed) in _LAYER.items():
        for layer in range(config.num_hidden_layers):
            shapes[_layer_tensor(parameter, layer)] = state["layers"][parameter].shape[1:][:: -1 if transposed else 1]
    return dict(sorted(shapes.items()))


@cache
def _abstract(config: LlamaConfig, **options: str) -> Llama:
    model: Llama = nnx.eval_shape(lambda: Llama(config, rngs=nnx.Rngs(0), **options))
    return model


def build(
    config: LlamaConfig,
    read: ReadTensor,
    *,
    dtype: str = "float32",
    param_dtype: str = "float32",
    remat: str = "none",
    mesh: Mesh | None = None,
) -> Llama:
    """A model with the tensors that `read(name)` returns. They are read one at a time, so that no weight is in memory
    twice. On a `mesh`, each process holds only its devices' parts.

    Raises `ValueError` that names a tensor whose shape does not fit `config`.
    """
    graph, state = nnx.split(_abstract(config, dtype=dtype, param_dtype=param_dtype, remat=remat))
    shapes = nnx.to_pure_dict(state)

    def tensor(name: str, transposed: bool, shape: tuple[int, ...]) -> np.ndarray:
        stored = read(name)
        expected = shape[::-1] if transposed else shape
        if stored.shape != expected:
            raise ValueError(
                f"tensor {name} has shape {stored.shape}; config.json asks for {expected}; "
                "weights and config belong to different models"
            )
        return stored.T if transposed else stored

    def array(parameter: str, shape: jax.ShapeDtypeStruct) -> jax.Array:
        *parents, last = parameter.split(".")
        sharding = parameter_sharding(mesh, parameter, shape.shape) if mesh else None
        slices = _parts(sharding, shape.shape)
        # Devices with the same part share one buffer.
        hosts = {part: np.empty([stop - start for start, stop in part], shape.dtype) for part in slices.values()}
        for layer in range(config.num_hidden_layers) if parents else [None]:
            name, transposed = _WHOLE[last] if layer is None else (_layer_tensor(last, layer), _LAYER[last][1])
            values = tensor(name, transposed, shape.shape if layer is None else shape.shape[1:])
            for part, host in hosts.items():
                target = host if layer is None else host[layer]
                target[...] = values[tuple(slice(*bounds) for bounds in part[-values.ndim :])]
        if sharding is None:
            return jnp.asarray(hosts[slices[None]])
        placed = [jax.device_put(hosts[part], device) for device, part in slices.items()]
        return jax.make_array_from_single_device_arrays(shape.shape, sharding, placed)

    filled: dict[str, Any] = {key: array(key, value) for key, value in shapes.items() if not isinstance(value, dict)}
    filled["layers"] = {key: array(f"layers.{key}", value) for key, value in shapes["layers"].items()}
    nnx.replace_by_pure_dict(state, filled)
    return nnx.merge(graph, state)


def _parts(sharding: NamedSharding | None, shape: tuple[int, ...]) -> dict[Any, tuple[tuple[int, int], ...]]:
    """The part of an array that each device of this process holds: (start, stop) of every dimension."""
    if sharding is None:
        return {None: tuple((0, size) for size in shape)}
    return {
        device: tuple(along.indices(size)[:2] for along, size in zip(part or (), shape, strict=True))
        for device, part in sharding.addressable_devices_indices_map(shape).items()
    }


def tensors(model: Llama, dtype: str) -> Iterator[tuple[str, np.ndarray]]:
    """(name, contiguous array) of every tensor, by sorted name, one at a time; all processes call this together."""
    sources: dict[str, tuple[jax.Array, int | None, bool]] = {}
    for parameter, (name, transposed) in _WHOLE.items():
        if parameter != "head" or not model.config.tie_word_embeddings:
            sources[name] = (getattr(model, parameter)[...], None, transposed)
    for parameter, (_, transposed) in _LAYER.items():
        for layer in range(model.config.num_hidden_layers):
            sources[_layer_tensor(parameter, layer)] = (getattr(model.layers, parameter)[...], layer, transposed)
    for name in sorted(sources):
        stacked, index, transposed = sources[name]
        host = _on_host(stacked if index is None else stacked[index])
        yield name, np.ascontiguousarray(host.T if transposed else host, dtype=jnp.dtype(dtype))


def _on_host(array: jax.Array) -> np.ndarray:
    if array.is_fully_addressable:
        return np.asarray(array)
    from jax.experimental import multihost_utils

    return np.asarray(multihost_utils.process_allgather(array, tiled=True))
