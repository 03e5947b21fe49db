"""Cross entropy over packed sequences."""

from collections.abc import Callable
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

from lemur.model.llama import Llama
from lemur.tokens.shards import Arrays

Normalisation = Literal["tokens", "sequences"]


def join_documents(batch: Arrays) -> Arrays:
    """The batch with all documents of a sequence as one segment with continuous positions."""
    used = batch["segments"] > 0
    return {**batch, "segments": used.astype(np.uint16), "positions": np.where(used, np.arange(used.shape[1]), 0)}


def prepare(
    batch: Arrays,
    microbatches: int,
    normalisation: Normalisation,
    *,
    total: Callable[[float], float] = lambda local: local,
    multiple: int = 1,
) -> Arrays:
    """The arrays that a step reads, each of shape [microbatches, rows, L - 1].

    `weights` (float32) sum to 1 over the whole batch, so that the sum of the microbatches' gradients is the gradient of
    the batch's mean loss. A target counts if its `loss` is 1 and it continues the segment of the token before it.
    `sources`: the source of each target that counts, -1 for the others.
    normalisation: mean over all targets of the batch, or ("sequences", as in EasyLM) over the sequences' means.
    total: sums a number over the processes that share a batch. multiple: pad the length to a multiple of this.
    """
    segments = batch["segments"]
    inside = (segments[:, 1:] == segments[:, :-1]) & (segments[:, 1:] > 0)
    counts = batch["loss"][:, 1:].astype(bool) & inside
    weights = counts.astype(np.float32)
    if normalisation == "sequences":
        weights /= np.maximum(weights.sum(axis=1, keepdims=True), 1)
    weights /= max(total(float(weights.sum())), 1.0 if normalisation == "tokens" else 1e-6)
    arrays = {
        "tokens": batch["tokens"][:, :-1].astype(np.int32),
        "targets": batch["tokens"][:, 1:].astype(np.int32),
        "segments": segments[:, :-1].astype(np.int32),
        "positions": batch["positions"][:, :-1].astype(np.int32),
        "weights": weights,
        "sources": np.where(counts, batch["sources"][:, 1:].astype(np.int32), -1),
    }
    padding = ((0, 0), (0, -weights.shape[1] % multiple))
    return {
        name: np.pad(array, padding, constant_values=-1 if name == "sources" else 0).reshape(
            microbatches, -1, array.shape[1] + padding[1][1]
        )
        for name, array in arrays.items()
    }


def weighted_loss(model: Llama, batch: dict[str, Array], sources: int) -> tuple[Array, Array]:
    """The sum of weight times cross entropy in nats over arrays of shape [rows, L], and the nats of each source,
    float32 [sources]."""
    logits = model(batch["tokens"], batch["segments"], batch["positions"])
    nats = optax.softmax_cross_entropy_with_integer_labels(logits.astype(jnp.float32), batch["targets"])
    by_source = [jnp.sum(nats, where=batch["sources"] == source, dtype=jnp.float32) for source in range(sources)]
    return jnp.sum(nats * batch["weights"], dtype=jnp.float32), jnp.stack(by_source)


def token_losses(model: Llama, tokens: Array, targets: Array) -> Array:
    """Cross entropy in nats, float32 [rows, L], of sequences with one document each."""
    return jax.lax.stop_gradient(optax.softmax_cross_entropy_with_integer_labels(model(tokens), targets))
