"""Compiles the real train step for a TPU that is not there.

What the compiler reports of memory is what it would allocate, and what does not fit is its own error. It says nothing
about time.
"""

import math
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from lemur.planning.collectives import collective_bytes
from lemur.planning.machines import Machine
from lemur.planning.trainings import Training


@dataclass(frozen=True)
class Compiled:
    """What the compiler says of one chip. Bytes; `error` where it does not fit.

    weights, optimizer, batch: what the step is given. temporary: what is allocated beside it: gradients, activations
    kept for the backward pass, gathered weights. live: what of all this is in use at the fullest moment; the rest are
    gaps. collectives: kind to bytes a step that a chip sends.
    """

    training: Training
    seconds: float
    weights: int
    optimizer: int
    batch: int
    temporary: int
    collectives: dict[str, float]
    live: int = 0
    error: str = ""

    @property
    def total(self) -> int:
        return self.weights + self.optimizer + self.batch + self.temporary

    def fits(self, machine: Machine) -> bool:
        """The compiler lets some programs pass that allocate a little more than there is; here they do not fit."""
        return not self.error and self.total <= machine.memory

    @property
    def sent(self) -> float:
        return sum(self.collectives.values())


def compile_training(training: Training, chips: Sequence[Any]) -> Compiled:
    """Compile the step of `training` for these chips. Raises `ValueError` for a mesh that does not divide the model."""
    import jax
    import jax.numpy as jnp
    from flax import nnx
    from jax.sharding import NamedSharding, PartitionSpec

    from lemur.model.llama import Llama
    from lemur.model.sharding import spec
    from lemur.training import devices
    from lemur.training.optimizer import optimizer
    from lemur.training.step import compile_step, state_shardings

    params, config = training.params, training.config
    devices.check_mesh(params, config)
    mesh = devices.lay_out(params.mesh, chips)
    started = time.monotonic()
    model = nnx.eval_shape(lambda: Llama(config, rngs=nnx.Rngs(0), dtype=params.compute_dtype, remat=params.remat))
    model.attention = "splash"
    graph, weights = nnx.split(model)
    tx = optimizer(params.optimizer, training.steps or 1000)
    shardings = state_shardings(mesh, tx, weights)
    state = jax.tree.map(
        lambda leaf, where: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=where),
        {"params": weights, "optimizer": jax.eval_shape(tx.init, weights)},
        shardings,
    )
    # As `loss.prepare` makes them.
    multiple = devices.length_multiple(mesh, kernel=True)
    length = -(-(training.length - 1) // multiple) * multiple
    shape = (params.microbatches, params.batch_size // params.microbatches, length)
    where = NamedSharding(mesh, spec(mesh, shape, devices.BATCH_AXES))
    batch = {
        name: jax.ShapeDtypeStruct(shape, jnp.float32 if name == "weights" else jnp.int32, sharding=where)
        for name in ("tokens", "targets", "segments", "positions", "weights", "sources")
    }
    limit = jax.ShapeDtypeStruct((), jnp.float32, sharding=NamedSharding(mesh, PartitionSpec()))
    step = compile_step(
        graph,
        tx,
        sources=16,
        shardings=shardings,
        skip="skip" in (params.anomaly.not_finite, params.anomaly.spike),
    )
    given = [_bytes_of_one_device(tree) for tree in (state["params"], state["optimizer"], batch)]
    result = partial(Compiled, training, weights=given[0], optimizer=given[1], batch=given[2])
    with devices.use(mesh):
        try:
            compiled = step.lower(state, batch, limit).compile()
        except jax.errors.JaxRuntimeError as error:
            if "RESOURCE_EXHAUSTED" not in str(error):
                raise
            beside = temporary_bytes(str(error), sum(given))
            said = next(line for line in str(error).splitlines() if "RESOURCE_EXHAUSTED" in line)[:300]
            return result(seconds=time.monotonic() - started, temporary=beside, collectives={}, error=said)
    memory = compiled.memory_analysis()
    # The state's memory is used again for its successor (donated), so outputs take nothing more.
    allocated = memory.argument_size_in_bytes + memory.temp_size_in_bytes
    allocated += memory.output_size_in_bytes - memory.alias_size_in_bytes
    return result(
        seconds=time.monotonic() - started,
        temporary=allocated - sum(given),
        live=memory.peak_memory_in_bytes,
        collectives=collective_bytes(compiled.as_text(), len(chips)),
    )


def _bytes_of_one_device(tree: Any) -> int:
    import jax

    return sum(leaf.dtype.itemsize * math.prod(leaf.sharding.shard_shape(leaf.shape)) for leaf in jax.tree.leaves(tree))


def temporary_bytes(message: str, given: int) -> int:
    """Bytes that a program would have needed beside what it is given, from XLA's error; 0 where it does not say."""
    for pattern, beside in ((r"HLO temporaries \(([\d.]+)([KMGT])\)", 0), (r"Used ([\d.]+)([KMGT]) of", given)):
        if found := re.search(pattern, message):
            return int(float(found[1]) * 1024 ** ("KMGT".index(found[2]) + 1)) - beside
    return 0


def search(training: Training, machine: Machine, chips: Sequence[Any], *, most: int) -> Iterator[Compiled]:
    """Compile the layouts that are estimated to fit, those that send least first, until `most` did fit."""
    from lemur.planning.layouts import layouts

    fitting = 0
    for layout in layouts(training.config, chips=len(chips), batch=training.params.batch_size, length=training.length):
        if layout.held > 0.9 * machine.memory:
            continue
        compiled = compile_training(training.on(layout.mesh, layout.microbatches), chips)
        yield compiled
        fitting += compiled.fits(machine)
        if fitting == most:
            return
