"""Compiles the real train step for a TPU without having one.

The compiler reports the memory that it would allocate, and its own error if the program does not fit. It says nothing
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
    """The compiler's result for one chip, in bytes; `error` if the program does not fit.

    weights, optimizer, batch: inputs of the step. temporary: other allocations, which are gradients, activations kept
    for the backward pass and gathered weights. live: the part of all this that is in use at the peak; the rest are
    gaps. collectives: kind -> bytes that a chip sends per step.
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
        """Stricter than the compiler, which accepts some programs that allocate slightly more than the memory."""
        return not self.error and self.total <= machine.memory

    @property
    def sent(self) -> float:
        return sum(self.collectives.values())


def compile_training(training: Training, chips: Sequence[Any]) -> Compiled:
    """Compile the step of `training` for these chips. Raises `ValueError` if the mesh does not divide the model."""
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
        lambda leaf, sharding: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding),
        {"params": weights, "optimizer": jax.eval_shape(tx.init, weights)},
        shardings,
    )
    # The same shapes as from `loss.prepare`.
    multiple = devices.length_multiple(mesh, kernel=True)
    length = -(-(training.length - 1) // multiple) * multiple
    shape = (params.microbatches, params.batch_size // params.microbatches, length)
    batch_sharding = NamedSharding(mesh, spec(mesh, shape, devices.BATCH_AXES))
    batch = {
        name: jax.ShapeDtypeStruct(shape, jnp.float32 if name == "weights" else jnp.int32, sharding=batch_sharding)
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
    inputs = [_bytes_per_device(tree) for tree in (state["params"], state["optimizer"], batch)]
    result = partial(Compiled, training, weights=inputs[0], optimizer=inputs[1], batch=inputs[2])
    with devices.use_mesh(mesh):
        try:
            compiled = step.lower(state, batch, limit).compile()
        except jax.errors.JaxRuntimeError as error:
            if "RESOURCE_EXHAUSTED" not in str(error):
                raise
            temporary = temporary_bytes(str(error), sum(inputs))
            message = next(line for line in str(error).splitlines() if "RESOURCE_EXHAUSTED" in line)[:300]
            return result(seconds=time.monotonic() - started, temporary=temporary, collectives={}, error=message)
    memory = compiled.memory_analysis()
    # The old state's memory is donated to the new state, so outputs need no more.
    allocated = memory.argument_size_in_bytes + memory.temp_size_in_bytes
    allocated += memory.output_size_in_bytes - memory.alias_size_in_bytes
    return result(
        seconds=time.monotonic() - started,
        temporary=allocated - sum(inputs),
        live=memory.peak_memory_in_bytes,
        collectives=collective_bytes(compiled.as_text(), len(chips)),
    )


def _bytes_per_device(tree: Any) -> int:
    import jax

    return sum(leaf.dtype.itemsize * math.prod(leaf.sharding.shard_shape(leaf.shape)) for leaf in jax.tree.leaves(tree))


def temporary_bytes(message: str, input_bytes: int) -> int:
    """Bytes that a program would have needed besides its inputs, read from XLA's error; 0 if it does not say."""
    for pattern, included in ((r"HLO temporaries \(([\d.]+)([KMGT])\)", 0), (r"Used ([\d.]+)([KMGT]) of", input_bytes)):
        if amount := re.search(pattern, message):
            return int(float(amount[1]) * 1024 ** ("KMGT".index(amount[2]) + 1)) - included
    return 0


def search(training: Training, machine: Machine, chips: Sequence[Any], *, most: int) -> Iterator[Compiled]:
    """Compile the layouts that should fit by estimate, those that send least first, until `most` of them do fit."""
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
