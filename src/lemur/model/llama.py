"""Llama-2 (Touvron et al., 2023) in Flax NNX: RMSNorm, rotary embeddings, SwiGLU, grouped-query attention.

    config, model = lemur.model.folder.load(Path("models/lemur"))
    logits = model(tokens, segments, positions)              # [B, L, V] float32

Generation with a KV cache is in lemur.inference.decoding.
"""

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array

from lemur.model.attention import Attend, Kind, attention
from lemur.model.config import LlamaConfig
from lemur.model.matrix_products import PRODUCT, linear, linear_transposed
from lemur.model.sharding import constrain, gather_weight

REMAT_POLICIES: dict[str, Any] = {
    "none": jax.checkpoint_policies.everything_saveable,
    "dots": jax.checkpoint_policies.save_only_these_names(PRODUCT),
    "full": jax.checkpoint_policies.nothing_saveable,
}


def rms_norm(x: Array, weight: Array, epsilon: float) -> Array:
    """Root-mean-square norm over the last axis, computed in float32, returned in x's dtype."""
    wide = x.astype(jnp.float32)
    scale = jax.lax.rsqrt(jnp.mean(jnp.square(wide), axis=-1, keepdims=True) + epsilon)
    return (wide * scale).astype(x.dtype) * weight.astype(x.dtype)


def rotary_frequencies(config: LlamaConfig) -> Array:
    """Angle per position for each rotated pair, float32 [head_dim / 2]."""
    exponent = jnp.arange(0, config.head_dim, 2, dtype=jnp.float32) / config.head_dim
    frequency = 1.0 / (config.rope_theta**exponent)
    scaling = config.rope_scaling
    if scaling is None:
        return frequency
    if scaling.rope_type == "linear":
        return frequency / scaling.factor
    # llama3: long wavelengths are stretched, short ones kept, those in between interpolated.
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
    """Parameters of all transformer layers, stacked on axis 0; the methods run ONE layer, given its slice of them."""

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
        norm = gather_weight(self.attention_norm[...], x.dtype, None)
        normed = constrain(rms_norm(x, norm, self.config.rms_norm_eps), "batch", "length", None)
        query, key, value = (
            linear(normed, gather_weight(weight[...], x.dtype, None, name)).reshape(
                batch, length, -1, self.config.head_dim
            )
            for weight, name in ((self.query, "heads"), (self.key, "kv_heads"), (self.value, "kv_heads"))
        )
        return rotate(query, positions, frequencies), rotate(key, positions, frequencies), value

    def finish(self, x: Array, attended: Array) -> Array:
        """Residual stream after the attention's output projection and the SwiGLU MLP."""
        x = x + linear(attended.reshape(*x.shape[:2], -1), gather_weight(self.output[...], x.dtype, "heads", None))
        x = constrain(x, "batch", "residual_length", None)
        norm = gather_weight(self.mlp_norm[...], x.dtype, None)
        normed = constrain(rms_norm(x, norm, self.config.rms_norm_eps), "batch", "length", None)
        gate, up = (gather_weight(weight[...], x.dtype, None, "mlp") for weight in (self.gate, self.up))
        gated = constrain(jax.nn.silu(linear(normed, gate)) * linear(normed, up), "batch", "length", "mlp")
        down = gather_weight(self.down[...], x.dtype, "mlp", None)
        return constrain(x + linear(gated, down), "batch", "residual_length", None)


class Llama(nnx.Module):
    """The causal language model. Weights are stored and trained in `param_dtype`; matmuls compute in `dtype`."""

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
        self.attention: Kind = "xla"  # a training on TPU sets "splash"
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
        """States [B, L, hidden] after the last layer, before the final norm; with `keep`, also all layers' keys and
        values."""
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
        x, (keys, values) = jax.lax.scan(layer, self.embed(tokens), layers)
        return x, keys, values

    def embed(self, tokens: Array) -> Array:
        """States [B, L, hidden] before the first layer."""
        table = constrain(self.embedding[...], "vocab", "looked_up")
        x = jnp.take(table, tokens, axis=0).astype(self.dtype)
        return constrain(x, "batch", "residual_length", None)

    def logits(self, x: Array) -> Array:
        """Float32 logits [B, L, V] of states [B, L, hidden]: the final norm, then the output layer."""
        norm = gather_weight(self.norm[...], x.dtype, None)
        x = constrain(rms_norm(x, norm, self.config.rms_norm_eps), "batch", "length", None)
        if self.config.tie_word_embeddings:
            head = gather_weight(self.embedding[...], x.dtype, "vocab", None)
            logits = linear_transposed(x, head, jnp.float32)
        else:
            head = gather_weight(self.head[...], x.dtype, None, "vocab")
            logits = linear(x, head, jnp.float32)
        return constrain(logits, "batch", "length", "vocab")
