"""Generation with a KV cache: `prefill` the prompts once, then `extend` each row by its next tokens.

Prompts are padded on the RIGHT to one length; each row keeps its own length, so padding is never attended to and never
moves a position:

    graph, params = nnx.split(model)                         # params: a plain pytree, so that jit stays cheap
    fill = jax.jit(lambda p, tokens, lengths: prefill(nnx.merge(graph, p), tokens, lengths, cache_length=512))
    step = jax.jit(lambda p, cache, new: extend(nnx.merge(graph, p), cache, new[:, None], ones), donate_argnums=1)
    logits, cache = fill(params, tokens, lengths)            # tokens [B, P] int32, lengths [B]; logits [B, V] of each
    logits, cache = step(params, cache, logits.argmax(-1))   # row's last prompt token, then of each new one

`cache_length` is at least the longest prompt plus the tokens to generate; a row that has filled its cache stops
writing (its further logits are meaningless), so the caller bounds the number of steps.
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
    """Keys and values of the tokens seen so far, an array a layer. `length[b]` is where row b's next token goes.

    Both lie as the products read them, the length last in the keys: on a CPU attention takes a third of the time.
    """

    keys: tuple[Array, ...]  # [B, kv_heads, head_dim, cache_length], compute dtype
    values: tuple[Array, ...]  # [B, kv_heads, cache_length, head_dim]
    length: Array  # [B] int32

    @property
    def room(self) -> int:
        """Tokens that a row can hold."""
        return self.values[0].shape[2]


def prefill(model: Llama, tokens: Array, lengths: Array, *, cache_length: int) -> tuple[Array, Cache]:
    """Run right-padded prompts [B, P] of `lengths` [B] (at least 1). Returns float32 logits [B, V] of each row's
    last prompt token and the cache, ready for `extend`."""
    if tokens.shape[1] > cache_length:
        raise ValueError(
            f"prompts are {tokens.shape[1]} tokens long, the cache only {cache_length}; enlarge cache_length"
        )
    x, keys, values = model.hidden_states(tokens, None, CAUSAL, keep=True)
    # What padding left in the cache beyond a row's length is masked until it is overwritten.
    cache = Cache(tuple(keys.transpose(0, 1, 3, 4, 2)), tuple(values.transpose(0, 1, 3, 2, 4)), lengths)
    return _last(model, x, lengths), longer(cache, cache_length)


def longer(cache: Cache, length: int) -> Cache:
    """The same cache with room for `length` tokens a row."""
    more = (0, length - cache.room)
    keys = tuple(jnp.pad(each, ((0, 0), (0, 0), (0, 0), more)) for each in cache.keys)
    values = tuple(jnp.pad(each, ((0, 0), (0, 0), more, (0, 0))) for each in cache.values)
    return Cache(keys, values, cache.length)


def extend(
    model: Llama, cache: Cache, tokens: Array, lengths: Array, layers: Sequence[Layers] | None = None
) -> tuple[Array, Cache]:
    """Run right-padded tokens [B, S] of `lengths` [B] (at least 1) after what is in the cache. Returns float32 logits
    [B, V] of each row's last token and the new cache. `layers`: the model's, `unstacked` once for many calls."""
    positions = cache.length[:, None] + jnp.arange(tokens.shape[1])
    frequencies = rotary_frequencies(model.config)
    rows = jnp.arange(tokens.shape[0])[:, None]
    visible = jnp.arange(cache.room) <= positions[:, :, None]
    x, keys, values = model.embed(tokens), [], []
    # A loop, not a scan: that would copy each layer's weights and cache for every token.
    for block, known, held in zip(layers or unstacked(model), cache.keys, cache.values, strict=True):
        query, key, value = block.qkv(x, positions, frequencies)
        keys.append(known.at[rows, :, :, positions].set(key, mode="drop"))
        values.append(held.at[rows, :, positions].set(value, mode="drop"))
        x = block.finish(x, _attend(query, keys[-1], values[-1], visible))
    return _last(model, x, lengths), Cache(tuple(keys), tuple(values), cache.length + lengths)


def unstacked(model: Llama) -> list[Layers]:
    """Each layer with its own parameters."""
    graph, stacked = nnx.split(model.layers)

    def layer(index: int) -> Layers:
        return nnx.merge(graph, jax.tree.map(lambda parameters: parameters[index], stacked))

    return [layer(index) for index in range(model.config.num_hidden_layers)]


def _attend(query: Array, keys: Array, values: Array, visible: Array) -> Array:
    """Attention of queries [B, S, heads, head_dim] over a layer's cache where `visible` [B, S, cache_length].

    Products of whole matrices: as an einsum over five axes decoding takes three times as long on a CPU.
    """
    batch, length, heads, size = query.shape
    kv_heads = keys.shape[1]
    # The heads that share keys one after the other: [B, kv_heads, heads / kv_heads * S, head_dim].
    grouped = (query * size**-0.5).reshape(batch, length, kv_heads, -1, size).transpose(0, 2, 3, 1, 4)
    shape = grouped.shape
    scores = jnp.matmul(grouped.reshape(batch, kv_heads, -1, size), keys, preferred_element_type=jnp.float32)
    scores = jnp.where(jnp.tile(visible, (1, shape[2], 1))[:, None], scores, -jnp.inf)
    out = jnp.matmul(jax.nn.softmax(scores).astype(values.dtype), values)
    return out.reshape(shape).transpose(0, 3, 1, 2, 4).reshape(batch, length, heads, size)


def _last(model: Llama, x: Array, lengths: Array) -> Array:
    """Logits [B, V] of each row's last token."""
    return model.logits(jnp.take_along_axis(x, (lengths - 1)[:, None, None], axis=1))[:, 0]
