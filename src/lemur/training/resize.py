"""Adds rows to the vocabulary for tokens added after pre-training."""

from dataclasses import replace

import jax.numpy as jnp
from flax import nnx
from jax import Array

from lemur.model.llama import Llama


def resize_vocabulary(model: Llama, vocab_size: int) -> Llama:
    """The model with `vocab_size` tokens. New rows are the mean of the existing ones (Hewitt, "Initializing New Word
    Embeddings", 2021): new tokens start as likely as an average token, without random numbers.

    Raises `ValueError` if the model already has more tokens.
    """
    config = model.config
    added = vocab_size - config.vocab_size
    if added < 0:
        raise ValueError(
            f"the model has {config.vocab_size} tokens, the tokenizer {vocab_size}; shrinking would drop tokens"
        )
    if added == 0:
        return model

    def extended(weight: Array, axis: int) -> nnx.Param[Array]:
        mean = jnp.mean(weight.astype(jnp.float32), axis=axis, keepdims=True).astype(weight.dtype)
        return nnx.Param(jnp.concatenate([weight, jnp.repeat(mean, added, axis=axis)], axis=axis))

    model.embedding = extended(model.embedding[...], 0)
    if not config.tie_word_embeddings:
        model.head = extended(model.head[...], 1)
    model.config = replace(config, vocab_size=vocab_size)
    return model
