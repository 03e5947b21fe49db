"""The programs of a tile whose rows join and leave while it runs: each row has a step and a temperature of its own.

They do what those of lemur.inference.compiled_programs do, in the same shapes, so a row's answer has the same bits as
from `JaxModel` with that tile.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jax import Array

from lemur.inference.compiled_programs import by_position, decoded, draw, uniform
from lemur.inference.decoding import Cache, enlarge, prefill
from lemur.model.llama import Layers, Llama


def empty_cache(model: Llama, tile: int, capacity: int) -> Cache:
    """Room for `capacity` tokens in each of `tile` rows."""
    config = model.config
    heads, size = config.num_key_value_heads, config.head_dim
    layers, dtype = range(config.num_hidden_layers), jnp.dtype(model.dtype)
    return Cache(
        tuple(jnp.zeros((tile, heads, size, capacity), dtype) for _ in layers),
        tuple(jnp.zeros((tile, heads, capacity, size), dtype) for _ in layers),
        jnp.ones((tile,), jnp.int32),
    )


def cache_bytes(model: Llama) -> int:
    """Memory that one token takes in a cache."""
    config = model.config
    width = config.num_hidden_layers * config.num_key_value_heads * config.head_dim
    return 2 * width * jnp.dtype(model.dtype).itemsize


@partial(jax.jit, static_argnames="sampled")
def first_tokens(
    model: Llama, tokens: Array, lengths: Array, keys: Array, temperatures: Array, *, sampled: bool
) -> tuple[Array, Cache]:
    """The token [B] after each right-padded prompt [B, P] of `lengths` [B], and the prompts' cache. `keys` uint32
    [B, 2] and `temperatures` [B] decide the samples; `sampled`: whether any temperature is above 0."""
    logits, cache = prefill(model, tokens, lengths, cache_length=tokens.shape[1])
    return _choose(logits, keys, temperatures, jnp.zeros_like(lengths), sampled), cache


@partial(jax.jit, static_argnames="sampled", donate_argnames="cache")
def next_tokens(
    model: Llama,
    layers: list[Layers],
    cache: Cache,
    token: Array,
    keys: Array,
    temperatures: Array,
    steps: Array,
    *,
    sampled: bool,
) -> tuple[Cache, Array]:
    """The cache, and the `STEPS` tokens [B, STEPS] that follow each row's last `token` [B], which are the answer's
    tokens number `steps` [B] and so on. `layers`: the model's, unstacked once."""
    cache, _, new = decoded(
        model,
        layers,
        cache,
        token,
        lambda logits, offset: _choose(logits, keys, temperatures, steps + offset, sampled),
    )
    return cache, new


@partial(jax.jit, donate_argnames="target")
def with_rows(target: Cache, source: Cache, rows: Array, places: Array) -> Cache:
    """`target` with the `rows` [N] of `source`, which has no more capacity, in its `places` [N]. A place beyond the
    tile leaves its row out."""
    source = enlarge(source, target.capacity)
    return jax.tree.map(lambda old, new: old.at[places].set(new[rows], mode="drop"), target, source)


@partial(jax.jit, static_argnames="count")
def token_scores(model: Llama, tokens: Array, *, count: int) -> tuple[Array, Array, Array]:
    """Log-probabilities float32 [B, L - 1] of all tokens [B, L] but the first; the `count` likeliest tokens at each of
    these places and their log-probabilities [B, L - 1, count]."""

    def score(logits: Array, targets: Array) -> tuple[Array, Array, Array]:
        total = jax.nn.logsumexp(logits, axis=-1)
        chosen = jnp.take_along_axis(logits, targets[..., None], axis=-1)[..., 0]
        best, indices = jax.lax.top_k(logits, count)
        return chosen - total, indices, best - total[..., None]

    return by_position(model, tokens, score)


def _choose(logits: Array, keys: Array, temperatures: Array, steps: Array, sampled: bool) -> Array:
    """The likeliest token [B], or one sampled with each row's own key where its temperature is above 0."""
    likeliest = logits.argmax(-1)
    if not sampled:
        return likeliest
    greedy = temperatures == 0
    weights = jax.nn.softmax(logits / jnp.where(greedy, 1.0, temperatures)[:, None])
    return jnp.where(greedy, likeliest, draw(weights, jax.vmap(uniform)(keys, steps)))
