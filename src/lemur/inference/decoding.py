"""Generation with a KV cache: `prefill` the prompts once, then `extend` each row by its next tokens.

Prompts are padded on the RIGHT to one length. Each row keeps its own length, so nothing attends to padding and padding
moves no position:

    graph, params = nnx.split(model)                         # params: a plain pytree, so that jit stays cheap
    fill = jax.jit(lambda p, tokens, lengths: prefill(nnx.merge(graph, p), tokens, lengths, cache_length=512))
    step = jax.jit(lambda p, cache, new: extend(nnx.merge(graph, p), cache, new[:, None], ones), donate_argnums=1)
    logits, cache = fill(params, tokens, lengths)            # tokens [B, P] int32, lengths [B]; logits [B, V] of each
    logits, cache = step(params, cache, logits.argmax(-1))   # row's last prompt token, then of each new one

`cache_length` must be at least the longest prompt plus the tokens to generate. A row that has filled its cache stops
writing and its further logits are meaningless, so the caller must bound the number of steps.
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array

from lemur.model.attention import attention
from lemur.model.llama import Layers, Llama, rotary_frequencies

CAUSAL = attention("xla", None)


class Cache(NamedTuple):
    """Keys and values of the tokens so far, one array per layer. `length[b]` is where row b's next token goes.

    Both are laid out as the matrix products read them, the keys with the length last: on a CPU attention then takes a
    third of the time.
    """

    keys: tuple[Array, ...]  # [B, kv_heads, head_dim, cache_length], compute dtype
    values: tuple[Array, ...]  # [B, kv_heads, cache_length, head_dim]
    length: Array  # [B] int32

    @property
    def capacity(self) -> int:
        """Tokens that each row can hold."""
        return self.values[0].shape[2]


def prefill(model: Llama, tokens: Array, lengths: Array, *, cache_length: int) -> tuple[Array, Cache]:
    """Run right-padded prompts [B, P] of `lengths` [B] (at least 1). Returns float32 logits [B, V] of each row's last
    prompt token, and the cache for `extend`."""
    if tokens.shape[1] > cache_length:
        raise ValueError(
            f"prompts are {tokens.shape[1]} tokens long, the cache only {cache_length}; enlarge cache_length"
        )
    x, keys, values = model.hidden_states(tokens, None, CAUSAL, keep=True)
    # Padding's entries beyond a row's length stay masked until they are overwritten.
    cache = Cache(tuple(keys.transpose(0, 1, 3, 4, 2)), tuple(values.transpose(0, 1, 3, 2, 4)), lengths)
    return _last_logits(model, x, lengths), enlarge(cache, cache_length)


def enlarge(cache: Cache, length: int) -> Cache:
    """The same cache with room for `length` tokens a row."""
    more = (0, length - cache.capacity)
    keys = tuple(jnp.pad(each, ((0, 0), (0, 0), (0, 0), more)) for each in cache.keys)
    values = tuple(jnp.pad(each, ((0, 0), (0, 0), more, (0, 0))) for each in cache.values)
    return Cache(keys, values, cache.length)


def extend(
    model: Llama, cache: Cache, tokens: Array, lengths: Array, layers: Sequence[Layers] | None = None
) -> tuple[Array, Cache]:
    """Run right-padded tokens [B, S] of `lengths` [B] (at least 1) after the cached ones. Returns float32 logits [B, V]
    of each row's last token, and the new cache. `layers`: the model's, `unstacked` once for many calls."""
    positions = cache.length[:, None] + jnp.arange(tokens.shape[1])
    frequencies = rotary_frequencies(model.config)
    rows = jnp.arange(tokens.shape[0])[:, None]
    visible = jnp.arange(cache.capacity) <= positions[:, :, None]
    x, keys, values = model.embed(tokens), [], []
    # A loop: a scan would copy each layer's weights and cache for every token.
    for block, old_keys, old_values in zip(layers or unstacked(model), cache.keys, cache.values, strict=True):
        query, key, value = block.qkv(x, positions, frequencies)
        keys.append(old_keys.at[rows, :, :, positions].set(key, mode="drop"))
        values.append(old_values.at[rows, :, positions].set(value, mode="drop"))
        x = block.finish(x, _attend(query, keys[-1], values[-1], visible))
    return _last_logits(model, x, lengths), Cache(tuple(keys), tuple(values), cache.length + lengths)


def unstacked(model: Llama) -> list[Layers]:
    """The layers one by one, each with its own parameters."""
    graph, stacked = nnx.split(model.layers)

    def layer(index: int) -> Layers:
        return nnx.merge(graph, jax.tree.map(lambda parameters: parameters[index], stacked))

    return [layer(index) for index in range(model.config.num_hidden_layers)]


def _attend(query: Array, keys: Array, values: Array, visible: Array) -> Array:
    """Attention of queries [B, S, heads, head_dim] over a layer's cache where `visible` [B, S, cache_length].

    Uses products of whole matrices: with an einsum over five axes decoding takes three times as long on a CPU.
    """
    batch, length, heads, size = query.shape
    kv_heads = keys.shape[1]
    # Heads that share keys are adjacent: [B, kv_heads, heads / kv_heads * S, head_dim].
    grouped = (query * size**-0.5).reshape(batch, length, kv_heads, -1, size).transpose(0, 2, 3, 1, 4)
    shape = grouped.shape
    scores = jnp.matmul(grouped.reshape(batch, kv_heads, -1, size), keys, preferred_element_type=jnp.float32)
    scores = jnp.where(jnp.tile(visible, (1, shape[2], 1))[:, None], scores, -jnp.inf)
    out = jnp.matmul(jax.nn.softmax(scores).astype(values.dtype), values)
    return out.reshape(shape).transpose(0, 3, 1, 2, 4).reshape(batch, length, heads, size)


def _last_logits(model: Llama, x: Array, lengths: Array) -> Array:
    """Logits [B, V] of each row's last token."""
    return model.logits(jnp.take_along_axis(x, (lengths - 1)[:, None, None], axis=1))[:, 0]
