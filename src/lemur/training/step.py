"""One optimizer step, compiled."""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from jax import Array
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from lemur.model.sharding import parameter_shardings
from lemur.training.loss import weighted_loss

State = dict[str, Any]  # params: weights in float32; optimizer: optax's state


def state_shardings(mesh: Mesh, tx: optax.GradientTransformation, params: Any) -> State:
    """Shardings of the state: the optimizer's means like the weights they belong to, counts on every device."""
    replicated = NamedSharding(mesh, PartitionSpec())
    weights = parameter_shardings(mesh, params)
    optimizer = optax.tree.map_params(
        tx,
        lambda _, sharding: sharding,
        jax.eval_shape(tx.init, params),
        weights,
        transform_non_params=lambda _: replicated,
    )
    return {"params": weights, "optimizer": optimizer}


def compile_step(
    graph: Any,
    tx: optax.GradientTransformation,
    *,
    sources: int,
    shardings: State | None = None,
    skip: bool = False,
) -> Any:
    """`step(state, arrays, limit) -> (state, metrics)` for arrays from `loss.prepare`; it reuses the old state's
    memory.

    Microbatches are computed one after the other and their gradients added: the weights sum to 1 over all of them.
    Metrics, float32: loss (before the update), gradient_norm (before clipping), update_norm, and by_source, the nats of
    each source [sources]. With `skip`, a step whose loss is above `limit`, or whose loss or norm is not finite, leaves
    the state as it was.
    """

    def loss(params: Any, batch: dict[str, Array]) -> tuple[Array, Array]:
        return weighted_loss(nnx.merge(graph, params), batch, sources)

    def shard(params: Any) -> Any:
        return params if shardings is None else jax.lax.with_sharding_constraint(params, shardings["params"])

    def step(state: State, arrays: dict[str, Array], limit: Array) -> tuple[State, dict[str, Array]]:
        params = state["params"]

        def value_and_gradient(batch: dict[str, Array]) -> Any:
            value, gradient = jax.value_and_grad(loss, has_aux=True)(params, batch)
            return value, shard(gradient)

        def add(total: Any, batch: dict[str, Array]) -> tuple[Any, None]:
            return jax.tree.map(jnp.add, total, value_and_gradient(batch)), None

        zero_value = (jnp.zeros((), jnp.float32), jnp.zeros(sources, jnp.float32))
        zero = (zero_value, shard(jax.tree.map(jnp.zeros_like, params)))
        if arrays["tokens"].shape[0] == 1:
            result = value_and_gradient({name: array[0] for name, array in arrays.items()})
        else:
            result, _ = jax.lax.scan(add, zero, arrays)
        (value, by_source), gradient = result
        updates, optimizer_state = tx.update(gradient, state["optimizer"], params)
        metrics = {
            "loss": value,
            "gradient_norm": optax.tree.norm(gradient),
            "update_norm": optax.tree.norm(updates),
            "by_source": by_source,
        }
        new = {"params": optax.apply_updates(params, updates), "optimizer": optimizer_state}
        if skip:
            trusted = jnp.isfinite(value) & jnp.isfinite(metrics["gradient_norm"]) & (value <= limit)
            trusted &= jnp.isfinite(metrics["update_norm"])
            new = jax.tree.map(lambda after, before: jnp.where(trusted, after, before), new, state)
        return new, metrics

    out_shardings = None
    if shardings is not None:
        mesh = jax.tree.leaves(shardings)[0].mesh
        out_shardings = (shardings, NamedSharding(mesh, PartitionSpec()))
    return jax.jit(step, donate_argnums=0, out_shardings=out_shardings)
