"""The programs that run on the device, compiled for a fixed tile (sequences at once) and fixed length buckets.

A sequence's own length decides its bucket, never its neighbours', and a tile that is not full is padded. So every
sequence goes through the same program however it is grouped, and its answer has the same bits.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, partial
from itertools import count
from typing import TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from lemur.inference.decoding import CAUSAL, Cache, enlarge, extend, prefill, unstacked
from lemur.model.llama import Layers, Llama

SHORTEST_BUCKET = 64
SHORTEST_REST = 32  # the same for what follows a shared prefix
POSITIONS_AT_ONCE = 128  # positions with logits in memory at once: a whole tile's would not fit for 49,152 tokens
BLOCK = 64  # tokens of the vocabulary whose weights are summed first to draw a sample
STEPS = 16  # tokens decoded between two checks for stop strings
Row = TypeVar("Row")
Scores = TypeVar("Scores")


def buckets(longest: int, shortest: int = SHORTEST_BUCKET) -> list[int]:
    """Powers of two from `shortest` upwards, then `longest` itself."""
    sizes = []
    size = shortest
    while size < longest:
        sizes.append(size)
        size *= 2
    return [*sizes, longest]


def bucket(length: int, longest: int, shortest: int = SHORTEST_BUCKET) -> int:
    """The smallest bucket for `length` tokens."""
    for size in buckets(longest, shortest):
        if length <= size:
            return size
    raise ValueError(f"a sequence has {length} tokens; the model's context has {longest}")


def tiles(rows: Sequence[Row], size: int) -> Iterator[Sequence[Row]]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


def padded(rows: Sequence[Sequence[int]], tile: int, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Tokens int32 [tile, length], padded on the right, and lengths int32 [tile] (1 for padding rows)."""
    tokens = np.zeros((tile, length), np.int32)
    lengths = np.ones(tile, np.int32)
    for index, row in enumerate(rows):
        tokens[index, : len(row)] = row
        lengths[index] = len(row)
    return tokens, lengths


class Programs:
    """The compiled programs of one model; their arguments determine the shapes."""

    def __init__(self, model: Llama) -> None:
        self._model = model

    def prefix_cache(self, tokens: np.ndarray, length: int) -> Cache:
        """The cache of a prefix [1, L] of `length` tokens that several rows share."""
        return _prefix_cache(self._model, tokens, np.asarray([length], np.int32))

    def next_token(self, shared: Cache | None, tokens: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """Log-probabilities float32 [B, V] of the token after each row of [B, L], which follow their prefixes if
        `shared` holds any."""
        return np.asarray(_next_token(self._model, shared, tokens, lengths))

    def generate(
        self,
        shared: Cache | None,
        tokens: np.ndarray,
        lengths: np.ndarray,
        keys: np.ndarray,
        temperature: float,
        *,
        cache_length: int,
    ) -> Iterator[np.ndarray]:
        """The tokens that follow the rows, which are as in `next_token`: int32 [B, 1], then [B, `STEPS`] without end;
        tokens beyond `cache_length` mean nothing. `keys` uint32 [B, 2] decide the samples."""
        prompt = tokens.shape[1] + (shared.capacity if shared else 0)

        def room(step: int) -> int:
            # Only as much as the next tokens need: attention's time grows with the cache.
            return bucket(min(prompt + step - 1 + STEPS, cache_length), cache_length)

        sampled = temperature > 0
        token, cache = _first_token(self._model, shared, tokens, lengths, keys, temperature, room(1), sampled)
        yield np.asarray(token)[:, None]
        for step in count(1, STEPS):
            if cache.capacity < room(step):
                cache = _enlarge(cache, room(step))
            cache, token, new = _decode(self._model, self._layers, cache, token, keys, temperature, step, sampled)
            yield np.asarray(new)

    def each_token(self, tokens: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Log-probabilities float32 [B, L - 1] of all tokens [B, L] but the first, and which of them are likeliest."""
        logprobs, greedy = _each_token(self._model, tokens)
        return np.asarray(logprobs), np.asarray(greedy)

    @cached_property
    def _layers(self) -> list[Layers]:
        """A second copy of the layers' parameters. Unstacking them for every `STEPS` tokens would cost a model of 50
        million parameters a fifth of its decoding time."""
        return jax.jit(unstacked)(self._model)


@jax.jit
def _prefix_cache(model: Llama, tokens: Array, lengths: Array) -> Cache:
    return prefill(model, tokens, lengths, cache_length=tokens.shape[1])[1]


@jax.jit
def _next_token(model: Llama, shared: Cache | None, tokens: Array, lengths: Array) -> Array:
    cache_length = tokens.shape[1] + (shared.capacity if shared else 0)
    return jax.nn.log_softmax(_run_prompt(model, shared, tokens, lengths, cache_length)[0])


@jax.jit
def _each_token(model: Llama, tokens: Array) -> tuple[Array, Array]:
    def score(logits: Array, targets: Array) -> tuple[Array, Array]:
        chosen = jnp.take_along_axis(logits, targets[..., None], axis=-1)[..., 0]
        return chosen - jax.nn.logsumexp(logits, axis=-1), logits.argmax(-1) == targets

    return by_position(model, tokens, score)


def by_position(model: Llama, tokens: Array, score: Callable[[Array, Array], Scores]) -> Scores:
    """`score` of float32 logits [B, N, V] and the tokens [B, N] that follow, for N positions at a time: arrays
    [B, N, ...], which become [B, L - 1, ...] for tokens [B, L]."""
    # Hidden states, not logits: those need not exist for all positions at once.
    hidden = model.hidden_states(tokens, None, CAUSAL, keep=False)[0][:, :-1]
    targets = tokens[:, 1:]
    batch, length = targets.shape
    chunks = -(-length // POSITIONS_AT_ONCE)
    padding = chunks * POSITIONS_AT_ONCE - length
    hidden = jnp.pad(hidden, ((0, 0), (0, padding), (0, 0))).reshape(batch, chunks, POSITIONS_AT_ONCE, -1)
    targets = jnp.pad(targets, ((0, 0), (0, padding))).reshape(batch, chunks, POSITIONS_AT_ONCE)
    scores = jax.lax.map(
        lambda part: score(model.logits(part[0]), part[1]), (hidden.swapaxes(0, 1), targets.swapaxes(0, 1))
    )

    def flat(values: Array) -> Array:
        return values.swapaxes(0, 1).reshape(batch, chunks * POSITIONS_AT_ONCE, *values.shape[3:])[:, :length]

    return jax.tree.map(flat, scores)


@partial(jax.jit, static_argnums=(6, 7))
def _first_token(
    model: Llama,
    shared: Cache | None,
    tokens: Array,
    lengths: Array,
    keys: Array,
    temperature: Array,
    cache_length: int,
    sampled: bool,
) -> tuple[Array, Cache]:
    logits, cache = _run_prompt(model, shared, tokens, lengths, cache_length)
    return _choose(logits, keys, temperature, jnp.int32(0), sampled), cache


def _run_prompt(
    model: Llama, shared: Cache | None, tokens: Array, lengths: Array, cache_length: int
) -> tuple[Array, Cache]:
    if shared is None:
        return prefill(model, tokens, lengths, cache_length=cache_length)
    return extend(model, enlarge(shared, cache_length), tokens, lengths)


_enlarge = jax.jit(enlarge, static_argnums=1)


@partial(jax.jit, static_argnums=7, donate_argnums=2)
def _decode(
    model: Llama,
    layers: list[Layers],
    cache: Cache,
    token: Array,
    keys: Array,
    temperature: Array,
    step: Array,
    sampled: bool,
) -> tuple[Cache, Array, Array]:
    return decoded(
        model,
        layers,
        cache,
        token,
        lambda logits, offset: _choose(logits, keys, temperature, step + offset, sampled),
    )


def decoded(
    model: Llama, layers: list[Layers], cache: Cache, token: Array, choose: Callable[[Array, Array], Array]
) -> tuple[Cache, Array, Array]:
    """The cache, the last token [B] and all `STEPS` tokens [B, STEPS] after each row's `token` [B]; `choose` gives each
    from logits [B, V] and its place among them."""
    ones = jnp.ones_like(token)

    def step_once(state: tuple[Cache, Array], offset: Array) -> tuple[tuple[Cache, Array], Array]:
        cache, last = state
        logits, after = extend(model, cache, last[:, None], ones, layers)
        new = choose(logits, offset)
        return (after, new), new

    (cache, token), new = jax.lax.scan(step_once, (cache, token), jnp.arange(STEPS))
    return cache, token, new.T


def stacked(caches: Sequence[Cache]) -> Cache:
    """One cache with the rows of several."""
    return jax.tree.map(lambda *parts: jnp.concatenate(parts), *caches)


def _choose(logits: Array, keys: Array, temperature: Array, step: Array, sampled: bool) -> Array:
    """The likeliest token [B], or one sampled with each row's own key."""
    if not sampled:
        return logits.argmax(-1)
    return draw(jax.nn.softmax(logits / temperature), jax.vmap(uniform, (0, None))(keys, step))


def uniform(key: Array, step: Array) -> Array:
    """The random number of a row with `key` uint32 [2] at a step."""
    return jax.random.uniform(jax.random.fold_in(jax.random.wrap_key_data(key), step))


def draw(weights: Array, uniform: Array) -> Array:
    """The token [B] at which the running sum of weights [B, V] passes the share `uniform` [B] of their sum.

    Takes one random number per row: Gumbel noise needs one per token of the vocabulary and is 25 times as slow on a
    CPU. Tokens less likely than 2^-23 are hardly ever drawn. Finds the token's block first, then its place in the
    block: a running sum over the whole vocabulary takes five times as long.
    """
    batch, tokens = weights.shape
    blocks = jnp.pad(weights, ((0, 0), (0, -tokens % BLOCK))).reshape(batch, -1, BLOCK)
    sums = jnp.cumsum(blocks.sum(-1), axis=-1)
    target = uniform[:, None] * sums[:, -1:]
    block = _first_above(sums, target)
    before = jnp.take_along_axis(jnp.pad(sums, ((0, 0), (1, 0))), block, axis=1)
    inside = jnp.cumsum(jnp.take_along_axis(blocks, block[..., None], axis=1)[:, 0], axis=-1)
    return (block * BLOCK + _first_above(inside, target - before))[:, 0]


def _first_above(sums: Array, target: Array) -> Array:
    """The index at which rising sums [B, N] first exceed `target` [B, 1], or first reach their last value if rounding
    has put `target` above it. The weight there is above 0 in either case."""
    return (sums > jnp.minimum(target, jnp.nextafter(sums[:, -1:], 0.0))).argmax(-1, keepdims=True)
