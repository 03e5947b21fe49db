"""One optimizer step, compiled."""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from jax import Array

from lemur.training.loss import weighted_loss

State = dict[str, Any]  # params: weights in float32; optimizer: optax's state


def compile_step(graph: Any, tx: optax.GradientTransformation) -> Any:
    """`step(state, arrays) -> (state, metrics)` for arrays of `loss.prepare`; the old state's memory is used again.

    Microbatches are computed one after the other and their gradients added: the weights sum to 1 over all of them.
    Metrics, float32: loss (before the update), gradient_norm (before clipping), update_norm.
    """

    def loss(params: Any, batch: dict[str, Array]) -> Array:
        return weighted_loss(nnx.merge(graph, params), batch)

    def step(state: State, arrays: dict[str, Array]) -> tuple[State, dict[str, Array]]:
        params = state["params"]

        def add(total: Any, batch: dict[str, Array]) -> tuple[Any, None]:
            return jax.tree.map(jnp.add, total, jax.value_and_grad(loss)(params, batch)), None

        zero = (jnp.zeros((), jnp.float32), jax.tree.map(jnp.zeros_like, params))
        if arrays["tokens"].shape[0] == 1:
            value, gradient = jax.value_and_grad(loss)(params, {name: array[0] for name, array in arrays.items()})
        else:
            (value, gradient), _ = jax.lax.scan(add, zero, arrays)
        updates, optimizer_state = tx.update(gradient, state["optimizer"], params)
        metrics = {
            "loss": value,
            "gradient_norm": optax.tree.norm(gradient),
            "update_norm": optax.tree.norm(updates),
        }
        return {"params": optax.apply_updates(params, updates), "optimizer": optimizer_state}, metrics

    return jax.jit(step, donate_argnums=0)
