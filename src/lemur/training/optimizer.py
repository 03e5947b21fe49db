"""AdamW with clipping, and a learning rate that rises, then falls, as in A.1.2 and A.2.2 of the paper."""

import optax

from lemur.training.params import OptimizerParams


def learning_rate(params: OptimizerParams, steps: int) -> optax.Schedule:
    """Learning rate by step number, 0 to `steps` - 1. The warm-up is part of the steps, as in EasyLM."""
    peak, warmup = params.peak_learning_rate, min(params.warmup_steps, max(steps - 1, 0))
    rest = max(steps - warmup, 1)
    decays = {
        "cosine": lambda: optax.cosine_decay_schedule(peak, rest, alpha=params.final_ratio),
        "linear": lambda: optax.linear_schedule(peak, peak * params.final_ratio, rest),
        "constant": lambda: optax.constant_schedule(peak),
    }
    decay = decays[params.schedule]()
    if warmup == 0:
        return decay
    # From peak / warmup, not from 0: at 0 the first step would change nothing.
    return optax.join_schedules([optax.linear_schedule(peak / warmup, peak, warmup - 1 or 1), decay], [warmup])


def optimizer(params: OptimizerParams, steps: int) -> optax.GradientTransformation:
    return optax.chain(
        optax.clip_by_global_norm(params.clip_norm),
        optax.adamw(
            learning_rate(params, steps),
            b1=params.b1,
            b2=params.b2,
            eps=params.epsilon,
            weight_decay=params.weight_decay,
        ),
    )
