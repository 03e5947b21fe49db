"""Llama-2 (Touvron et al., 2023) in Flax NNX: RMSNorm, rotary embeddings, SwiGLU, grouped-query attention.

Training and scoring:

    config, model = lemur.model.folder.load(Path("models/lemur"))
    logits = model(tokens, segments, positions)              # [B, L, V] float32

Generation with a KV cache (`prefill` once, `decode_step` for each new token). Prompts are padded on the RIGHT to one
length; each row keeps its own length, so padding is never attended to and never moves a position:

    graph, params = nnx.split(model)                         # params: a plain pytree, so that jit stays cheap
    fill = jax.jit(lambda p, tokens, lengths: prefill(nnx.merge(graph, p), tokens, lengths, cache_length=512))
    step = jax.jit(lambda p, cache, token: decode_step(nnx.merge(graph, p), cache, token), donate_argnums=1)
    logits, cache = fill(params, tokens, lengths)            # tokens [B, P] int32, lengths [B]; logits [B, V] of each
    logits, cache = step(params, cache, logits.argmax(-1))   # row's last prompt token, then of each new one

`cache_length` is at least the longest prompt plus the tokens to generate; a row that has filled its cache stops
writing (its further logits are meaningless), so the caller bounds the number of steps.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array

from lemur.model.attention import Attend, Kind, attention
from lemur.model.config import LlamaConfig
from lemur.model.sharding import constrain

REMAT_POLICIES: dict[str, Any] = {
    "none": jax.checkpoint_policies.everything_saveable,
    "dots": jax.checkpoint_policies.dots_with_no_batch_dims_saveable,
    "full": jax.checkpoint_policies.nothing_saveable,
}


class Cache(NamedTuple):
    """Keys and values of the tokens seen so far. `length[b]` is where row b's next token goes."""

    keys: Array  # [layers, B, cache_length, kv_heads, head_dim], compute dtype
    values: Array  # the same shape
    length: Array  # [B] int32


def rms_norm(x: Array, weight: Array, epsilon: float) -> Array:
    """Root-mean-square norm over the last axis, computed in float32, returned in x's dtype."""
    wide = x.astype(jnp.float32)
    scale = jax.lax.rsqrt(jnp.mean(jnp.square(wide), axis=-1, keepdims=True) + epsilon)
    return (wide * scale).astype(x.dtype) * weight.astype(x.dtype)


def rotary_frequencies(config: LlamaConfig) -> Array:
    """Angle per position of each rotated pair, float32 [head_dim / 2]."""
    exponent = jnp.arange(0, config.head_dim, 2, dtype=jnp.float32) / config.head_dim
    frequency = 1.0 / (config.rope_theta**exponent)
    scaling = config.rope_scaling
    if scaling is None:
        return frequency
    if scaling.rope_type == "linear":
        return frequency / scaling.factor
    # llama3: long wavelengths are stretched, short ones kept, those between interpolated.
    wavelength = 2 * jnp.pi / frequency
    low, high = scaling.low_freq_factor, scaling.high_freq_factor
    smooth = jnp.clip((scaling.original_max_position_embeddings / wavelength - low) / (high - low), 0.0, 1.0)
    return (1 - smooth) * frequency / scaling.factor + smooth * frequency


def rotate(x: Array, positions: Array, frequencies: Array) -> Array:
    """Rotary embedding in Hugging Face's layout: pair i is (x[i], x[i + head_dim/2]). x [B, L, heads, head_dim]."""
    angle = positions[..., None].astype(jnp.float32) * frequencies
    cos, sin = jnp.cos(angle)[:, :, None, :], jnp.sin(angle)[:, :, None, :]
    first, second = jnp.split(x.astype(jnp.float32), 2, axis=-1)
    return jnp.concatenate([first * cos - second * sin, second * cos + first * sin], axis=-1).astype(x.dtype)


class Layers(nnx.Module):
    """Parameters of all transformer layers, stacked on axis 0; `__call__` runs ONE layer, given its slice of them."""

    def __init__(self, config: LlamaConfig, *, rngs: nnx.Rngs, param_dtype: Any) -> None:
        self.config = config
        count, hidden, mlp = config.num_hidden_layers, config.hidden_size, config.intermediate_size
        heads, kv_heads = config.num_attention_heads * config.head_dim, config.num_key_value_heads * config.head_dim
        normal = nnx.initializers.normal(config.initializer_range, dtype=param_dtype)

        def weight(*shape: int) -> nnx.Param[Array]:
            return nnx.Param(normal(rngs.params(), (count, *shape)))

        self.attention_norm = nnx.Param(jnp.ones((count, hidden), param_dtype))
        self.query = weight(hidden, heads)
        self.key = weight(hidden, kv_heads)
        self.value = weight(hidden, kv_heads)
        self.output = weight(heads, hidden)
        self.mlp_norm = nnx.Param(jnp.ones((count, hidden), param_dtype))
        self.gate = weight(hidden, mlp)
        self.up = weight(hidden, mlp)
        self.down = weight(mlp, hidden)

    def qkv(self, x: Array, positions: Array, frequencies: Array) -> tuple[Array, Array, Array]:
        """Rotated queries [B, L, heads, head_dim] and keys, and values [B, L, kv_heads, head_dim]."""
        batch, length, _ = x.shape
        normed = constrain(rms_norm(x, self.attention_norm[...], self.config.rms_norm_eps), "batch", "length", None)
        query, key, value = (
            (normed @ weight[...].astype(x.dtype)).reshape(batch, length, -1, self.config.head_dim)
            for weight in (self.query, self.key, self.value)
        )
        return rotate(query, positions, frequencies), rotate(key, positions, frequencies), value

    def finish(self, x: Array, attended: Array) -> Array:
        """Residual stream after the attention's output projection and the SwiGLU MLP."""
        x = x + attended.reshape(*x.shape[:2], -1) @ self.output[...].astype(x.dtype)
        x = constrain(x, "batch", "residual_length", None)
        normed = constrain(rms_norm(x, self.mlp_norm[...], self.config.rms_norm_eps), "batch", "length", None)
        gated = jax.nn.silu(normed @ self.gate[...].astype(x.dtype)) * (normed @ self.up[...].astype(x.dtype))
        gated = constrain(gated, "batch", "length", "mlp")
        return constrain(x + gated @ self.down[...].astype(x.dtype), "batch", "residual_length", None)


class Llama(nnx.Module):
    """The causal language model. `param_dtype` is what is stored and trained, `dtype` what matmuls compute in."""

    def __init__(
        self,
        config: LlamaConfig,
        *,
        rngs: nnx.Rngs,
        dtype: str = "float32",
        param_dtype: str = "float32",
        remat: str = "none",
    ) -> None:
        self.config, self.dtype, self.remat = config, dtype, remat
        self.attention: Kind = "xla"  # a training on TPU sets the kernel's
        normal = nnx.initializers.normal(config.initializer_range, dtype=jnp.dtype(param_dtype))
        self.embedding = nnx.Param(normal(rngs.params(), (config.vocab_size, config.hidden_size)))
        self.layers = Layers(config, rngs=rngs, param_dtype=jnp.dtype(param_dtype))
        self.norm = nnx.Param(jnp.ones((config.hidden_size,), jnp.dtype(param_dtype)))
        if not config.tie_word_embeddings:
            self.head = nnx.Param(normal(rngs.params(), (config.hidden_size, config.vocab_size)))

    def __call__(self, tokens: Array, segments: Array | None = None, positions: Array | None = None) -> Array:
        """Logits, float32 [B, L, V], for tokens [B, L].

        `segments` [B, L]: tokens attend only within their own segment (None: one segment). `positions` [B, L]: rotary
        positions, which packing restarts in each segment (None: 0, 1, 2, ...).
        """
        x, _, _ = self.hidden_states(tokens, positions, attention(self.attention, segments), keep=False)
        return self.logits(x)

    def hidden_states(
        self, tokens: Array, positions: Array | None, attend: Attend, *, keep: bool
    ) -> tuple[Array, Any, Any]:
        """States [B, L, hidden] after the last layer, before its norm; with `keep`, all layers' keys and values too."""
        if positions is None:
            positions = jnp.broadcast_to(jnp.arange(tokens.shape[1]), tokens.shape)
        frequencies = rotary_frequencies(self.config)
        graph, layers = nnx.split(self.layers)

        def layer(x: Array, params: Any) -> tuple[Array, tuple[Array, Array] | tuple[None, None]]:
            block = nnx.merge(graph, params)
            query, key, value = block.qkv(x, positions, frequencies)
            x = block.finish(x, attend(query, key, value))
            return x, (key, value) if keep else (None, None)

        if self.remat != "none":
            layer = jax.checkpoint(layer, policy=REMAT_POLICIES[self.remat], prevent_cse=False)
        x, (keys, values) = jax.lax.scan(layer, self._embed(tokens), layers)
        return x, keys, values

    def _embed(self, tokens: Array) -> Array:
        x = jnp.take(self.embedding[...], tokens, axis=0).astype(self.dtype)
        return constrain(x, "batch", "residual_length", None)

    def logits(self, x: Array) -> Array:
        """Float32 logits [B, L, V] of states [B, L, hidden]: the last norm, then the output layer."""
        x = constrain(rms_norm(x, self.norm[...], self.config.rms_norm_eps), "batch", "length", None)
        if self.config.tie_word_embeddings:
            head = self.embedding[...].astype(x.dtype)
            logits = jnp.einsum("bld,vd->blv", x, head, preferred_element_type=jnp.float32)
        else:
            logits = jnp.einsum("bld,dv->blv", x, self.head[...].astype(x.dtype), preferred_element_type=jnp.float32)
        return constrain(logits, "batch", "length", "vocab")


def prefill(model: Llama, tokens: Array, lengths: Array, *, cache_length: int) -> tuple[Array, Cache]:
    """Run right-padded prompts [B, P] of `lengths` [B] (at least 1). Returns float32 logits [B, V] of each row's
    last prompt token and the cache, ready for `decode_step`."""
    if tokens.shape[1] > cache_length:
        raise ValueError(
            f"prompts are {tokens.shape[1]} tokens long, the cache only {cache_length}; enlarge cache_length"
        )
    attend = partial(jax.nn.dot_product_attention, is_causal=True)
    x, keys, values = model.hidden_states(tokens, None, lambda query, key, value: attend(query, key, value), keep=True)
    last = jnp.take_along_axis(x, (lengths - 1)[:, None, None], axis=1)
    room = ((0, 0), (0, 0), (0, cache_length - tokens.shape[1]), (0, 0), (0, 0))
    # What padding left in the cache beyond a row's length is masked until decode_step overwrites it.
    return model.logits(last)[:, 0], Cache(jnp.pad(keys, room), jnp.pad(values, room), lengths.astype(jnp.int32))


def extend(model: Llama, cache: Cache, tokens: Array, lengths: Array) -> tuple[Array, Cache]:
    """Run right-padded tokens [B, S] of `lengths` [B] (at least 1) after what is in the cache. Returns float32 logits
    [B, V] of each row's last token and the cache, ready for `decode_step`."""
    positions = cache.length[:, None] + jnp.arange(tokens.shape[1])
    frequencies = rotary_frequencies(model.config)
    rows = jnp.arange(tokens.shape[0])[:, None]
    visible = (jnp.arange(cache.keys.shape[2]) <= positions[:, :, None])[:, None]
    graph, layers = nnx.split(model.layers)

    def layer(x: Array, scanned: Any) -> tuple[Array, tuple[Array, Array]]:
        params, keys, values = scanned
        block = nnx.merge(graph, params)
        query, key, value = block.qkv(x, positions, frequencies)
        keys = keys.at[rows, positions].set(key, mode="drop")
        values = values.at[rows, positions].set(value, mode="drop")
        return block.finish(x, jax.nn.dot_product_attention(query, keys, values, mask=visible)), (keys, values)

    x, (keys, values) = jax.lax.scan(layer, model._embed(tokens), (layers, cache.keys, cache.values))
    last = jnp.take_along_axis(x, (lengths - 1)[:, None, None], axis=1)
    return model.logits(last)[:, 0], Cache(keys, values, cache.length + lengths)


def decode_step(model: Llama, cache: Cache, tokens: Array) -> tuple[Array, Cache]:
    """One more token [B] for each row. Returns the float32 logits [B, V] that follow it and the new cache."""
    positions = cache.length[:, None]
    frequencies = rotary_frequencies(model.config)
    rows = jnp.arange(tokens.shape[0])
    visible = jnp.arange(cache.keys.shape[2])[None, :] <= positions
    graph, layers = nnx.split(model.layers)

    # The cache goes through the layers as one array that each of them writes into: as slices it would be copied.
    def layer(state: tuple[Array, Array, Array], scanned: Any) -> tuple[tuple[Array, Array, Array], None]:
        x, keys, values = state
        params, index = scanned
        block = nnx.merge(graph, params)
        query, key, value = block.qkv(x, positions, frequencies)
        keys = keys.at[index, rows, cache.length].set(key[:, 0], mode="drop")
        values = values.at[index, rows, cache.length].set(value[:, 0], mode="drop")
        return (block.finish(x, _attend_one(query, keys[index], values[index], visible)), keys, values), None

    start = (model._embed(tokens[:, None]), cache.keys, cache.values)
    (x, keys, values), _ = jax.lax.scan(layer, start, (layers, jnp.arange(cache.keys.shape[0])))
    return model.logits(x)[:, 0], Cache(keys, values, cache.length + 1)


def _attend_one(query: Array, keys: Array, values: Array, visible: Array) -> Array:
    """Attention of one query a row [B, 1, heads, head_dim] over keys and values [B, L, kv_heads, head_dim] where
    `visible` [B, L]. Products and sums, which XLA fuses: as batched matrix products of one row it takes longer on a
    CPU."""
    batch, _, heads, size = query.shape
    groups = query.reshape(batch, 1, keys.shape[2], -1, size).astype(jnp.float32) * size**-0.5
    scores = (groups * keys[:, :, :, None]).sum(-1)
    shares = jax.nn.softmax(jnp.where(visible[:, :, None, None], scores, -jnp.inf), axis=1)
    out = (shares[..., None] * values[:, :, :, None]).sum(1)
    return out.reshape(batch, 1, heads, size).astype(query.dtype)
