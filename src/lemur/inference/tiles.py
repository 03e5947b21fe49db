"""The programs that run on the device, compiled for a fixed tile (sequences at once) and fixed length buckets.

A sequence's bucket follows from its own length, never from its neighbours', and a tile that is not full is padded: so
every sequence goes through the same program whatever it is grouped with, and its answer has the same bits.
"""

from collections.abc import Iterator, Sequence
from functools import cached_property, partial
from itertools import count
from typing import TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from lemur.inference.decoding import CAUSAL, Cache, extend, longer, prefill, unstacked
from lemur.model.llama import Layers, Llama

SHORTEST_BUCKET = 64
SHORTEST_REST = 32  # the same for what follows a shared beginning
POSITIONS_AT_ONCE = 128  # logits of this many positions exist at a time: a whole tile's would not fit for 49,152 tokens
BLOCK = 64  # tokens of the vocabulary whose weights are summed first, to draw a sample
STEPS = 16  # tokens decoded between two looks at the stop strings
Row = TypeVar("Row")


def buckets(longest: int, shortest: int = SHORTEST_BUCKET) -> list[int]:
    """Powers of two from `shortest` on, and `longest` itself."""
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
    """Tokens int32 [tile, length], padded on the right, and lengths int32 [tile] (1 for rows that fill the tile up)."""
    tokens = np.zeros((tile, length), np.int32)
    lengths = np.ones(tile, np.int32)
    for index, row in enumerate(rows):
        tokens[index, : len(row)] = row
        lengths[index] = len(row)
    return tokens, lengths


class Programs:
    """The compiled programs of one model; shapes follow from their arguments."""

    def __init__(self, model: Llama) -> None:
        self._model = model

    def beginning(self, tokens: np.ndarray, length: int) -> Cache:
        """The cache of one beginning [1, L] of `length` tokens that several rows share."""
        return _beginning(self._model, tokens, np.asarray([length], np.int32))

    def next_token(self, shared: Cache | None, tokens: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """Log-probabilities float32 [B, V] of what follows each row of tokens [B, L] after its beginning, if it has
        one."""
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
        """What follows the rows that `next_token` takes: int32 [B, 1], then [B, `STEPS`] for as long as more is asked
        for; tokens beyond `cache_length` mean nothing. `keys` uint32 [B, 2] decide the samples."""
        prompt = tokens.shape[1] + (shared.room if shared else 0)

        def room(step: int) -> int:
            # No more places than the next tokens need: attention takes as long as the cache is.
            return bucket(min(prompt + step - 1 + STEPS, cache_length), cache_length)

        sampled = temperature > 0
        token, cache = _start(self._model, shared, tokens, lengths, keys, temperature, room(1), sampled)
        yield np.asarray(token)[:, None]
        for step in count(1, STEPS):
            if cache.room < room(step):
                cache = _longer(cache, room(step))
            cache, token, new = _go_on(self._model, self._layers, cache, token, keys, temperature, step, sampled)
            yield np.asarray(new)

    def each_token(self, tokens: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """For tokens [B, L]: log-probabilities float32 [B, L - 1] of all but the first, and which are likeliest."""
        logprobs, greedy = _each_token(self._model, tokens)
        return np.asarray(logprobs), np.asarray(greedy)

    @cached_property
    def _layers(self) -> list[Layers]:
        """A second copy of the layers' parameters: to take them apart for every `STEPS` tokens again would be a fifth
        of the time that a model of 50 million parameters takes for them."""
        return jax.jit(unstacked)(self._model)


@jax.jit
def _beginning(model: Llama, tokens: Array, lengths: Array) -> Cache:
    return prefill(model, tokens, lengths, cache_length=tokens.shape[1])[1]


@jax.jit
def _next_token(model: Llama, shared: Cache | None, tokens: Array, lengths: Array) -> Array:
    room = tokens.shape[1] + (shared.room if shared else 0)
    return jax.nn.log_softmax(_prompt(model, shared, tokens, lengths, room)[0])


@jax.jit
def _each_token(model: Llama, tokens: Array) -> tuple[Array, Array]:
    # Not yet logits: they need not exist for all positions at once.
    hidden = model.hidden_states(tokens, None, CAUSAL, keep=False)[0][:, :-1]
    targets = tokens[:, 1:]
    batch, length = targets.shape
    chunks = -(-length // POSITIONS_AT_ONCE)
    room = chunks * POSITIONS_AT_ONCE - length
    hidden = jnp.pad(hidden, ((0, 0), (0, room), (0, 0))).reshape(batch, chunks, POSITIONS_AT_ONCE, -1)
    targets = jnp.pad(targets, ((0, 0), (0, room))).reshape(batch, chunks, POSITIONS_AT_ONCE)

    def score(part: tuple[Array, Array]) -> tuple[Array, Array]:
        states, wanted = part
        logits = model.logits(states)
        chosen = jnp.take_along_axis(logits, wanted[..., None], axis=-1)[..., 0]
        return chosen - jax.nn.logsumexp(logits, axis=-1), logits.argmax(-1) == wanted

    logprobs, greedy = jax.lax.map(score, (hidden.swapaxes(0, 1), targets.swapaxes(0, 1)))
    flat = (batch, chunks * POSITIONS_AT_ONCE)
    return logprobs.swapaxes(0, 1).reshape(flat)[:, :length], greedy.swapaxes(0, 1).reshape(flat)[:, :length]


@partial(jax.jit, static_argnums=(6, 7))
def _start(
    model: Llama,
    shared: Cache | None,
    tokens: Array,
    lengths: Array,
    keys: Array,
    temperature: Array,
    cache_length: int,
    sampled: bool,
) -> tuple[Array, Cache]:
    logits, cache = _prompt(model, shared, tokens, lengths, cache_length)
    return _choose(logits, keys, temperature, jnp.int32(0), sampled), cache


def _prompt(
    model: Llama, shared: Cache | None, tokens: Array, lengths: Array, cache_length: int
) -> tuple[Array, Cache]:
    if shared is None:
        return prefill(model, tokens, lengths, cache_length=cache_length)
    return extend(model, longer(shared, cache_length), tokens, lengths)


_longer = jax.jit(longer, static_argnums=1)


@partial(jax.jit, static_argnums=7, donate_argnums=2)
def _go_on(
    model: Llama,
    layers: list[Layers],
    cache: Cache,
    token: Array,
    keys: Array,
    temperature: Array,
    step: Array,
    sampled: bool,
) -> tuple[Cache, Array, Array]:
    ones = jnp.ones_like(token)

    def one(state: tuple[Cache, Array], offset: Array) -> tuple[tuple[Cache, Array], Array]:
        cache, last = state
        logits, after = extend(model, cache, last[:, None], ones, layers)
        new = _choose(logits, keys, temperature, step + offset, sampled)
        return (after, new), new

    (cache, token), new = jax.lax.scan(one, (cache, token), jnp.arange(STEPS))
    return cache, token, new.T


def stacked(caches: Sequence[Cache]) -> Cache:
    """One cache of the rows of several."""
    return jax.tree.map(lambda *parts: jnp.concatenate(parts), *caches)


def _choose(logits: Array, keys: Array, temperature: Array, step: Array, sampled: bool) -> Array:
    """The likeliest token [B], or one drawn with each row's own key."""
    if not sampled:
        return logits.argmax(-1)
    uniform = jax.vmap(lambda key: jax.random.uniform(jax.random.fold_in(jax.random.wrap_key_data(key), step)))(keys)
    return _drawn(jax.nn.softmax(logits / temperature), uniform)


def _drawn(weights: Array, uniform: Array) -> Array:
    """The token [B] at which the running sum of weights [B, V] passes the share `uniform` [B] of their sum.

    One random number a row, since Gumbel noise takes one for each token of the vocabulary, and 25 times as long on a
    CPU; tokens less likely than 2^-23 are hardly ever drawn. The token's block comes first, then its place in the
    block: a running sum over the whole vocabulary takes five times as long.
    """
    batch, tokens = weights.shape
    blocks = jnp.pad(weights, ((0, 0), (0, -tokens % BLOCK))).reshape(batch, -1, BLOCK)
    sums = jnp.cumsum(blocks.sum(-1), axis=-1)
    wanted = uniform[:, None] * sums[:, -1:]
    block = _first_above(sums, wanted)
    before = jnp.take_along_axis(jnp.pad(sums, ((0, 0), (1, 0))), block, axis=1)
    inside = jnp.cumsum(jnp.take_along_axis(blocks, block[..., None], axis=1)[:, 0], axis=-1)
    return (block * BLOCK + _first_above(inside, wanted - before))[:, 0]


def _first_above(sums: Array, wanted: Array) -> Array:
    """Where rising sums [B, N] first exceed `wanted` [B, 1]; where they reach their last value, if rounding has put
    `wanted` above that. The place has a weight above 0 in either case."""
    return (sums > jnp.minimum(wanted, jnp.nextafter(sums[:, -1:], 0.0))).argmax(-1, keepdims=True)
