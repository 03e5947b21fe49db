"""Tensors of a Hugging Face `LlamaForCausalLM` <-> parameters of `lemur.model.llama.Llama`.

Hugging Face stores linear weights as [out, in] and one tensor a layer; here they are [in, out], layers stacked.
"""

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from lemur.model.config import LlamaConfig
from lemur.model.llama import Llama

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
    config: LlamaConfig, read: ReadTensor, *, dtype: str = "float32", param_dtype: str = "float32", remat: str = "none"
) -> Llama:
    """A model with the tensors that `read(name)` gives, one at a time, so that no weight is held twice.

    Raises `ValueError` naming the tensor whose shape does not fit `config`.
    """
    graph, state = nnx.split(_abstract(config, dtype=dtype, param_dtype=param_dtype, remat=remat))
    wanted = nnx.to_pure_dict(state)

    def fill(name: str, transposed: bool, target: np.ndarray) -> None:
        tensor = read(name)
        tensor = tensor.T if transposed else tensor
        if tensor.shape != target.shape:
            raise ValueError(
                f"tensor {name} has shape {tensor.T.shape if transposed else tensor.shape}; config.json asks for "
                f"{target.T.shape if transposed else target.shape}; weights and config are of different models"
            )
        target[...] = tensor

    def array(parameter: str, shape: jax.ShapeDtypeStruct, *, layers: bool) -> jax.Array:
        host = np.empty(shape.shape, shape.dtype)
        if not layers:
            fill(*_WHOLE[parameter], host)
        else:
            for layer in range(config.num_hidden_layers):
                fill(_layer_tensor(parameter, layer), _LAYER[parameter][1], host[layer])
        return jnp.asarray(host)

    filled: dict[str, Any] = {
        key: array(key, value, layers=False) for key, value in wanted.items() if not isinstance(value, dict)
    }
    filled["layers"] = {key: array(key, value, layers=True) for key, value in wanted["layers"].items()}
    nnx.replace_by_pure_dict(state, filled)
    return nnx.merge(graph, state)


def tensors(model: Llama, dtype: str) -> Iterator[tuple[str, np.ndarray]]:
    """(name, contiguous array) of every tensor, by sorted name, one at a time."""
    sources: dict[str, tuple[jax.Array, int | None, bool]] = {}
    for parameter, (name, transposed) in _WHOLE.items():
        if parameter != "head" or not model.config.tie_word_embeddings:
            sources[name] = (getattr(model, parameter)[...], None, transposed)
    for parameter, (_, transposed) in _LAYER.items():
        for layer in range(model.config.num_hidden_layers):
            sources[_layer_tensor(parameter, layer)] = (getattr(model.layers, parameter)[...], layer, transposed)
    for name in sorted(sources):
        stacked, index, transposed = sources[name]
        host = np.asarray(stacked if index is None else stacked[index])
        yield name, np.ascontiguousarray(host.T if transposed else host, dtype=jnp.dtype(dtype))
