"""Run by test_mesh.py in separate processes, since devices and processes must be set before JAX starts.

    python -m tests.training.mesh_run gradients INPUTS OUT MESH...
    python -m tests.training.mesh_run sent INPUTS OUT MESH...
    python -m tests.training.mesh_run stage INPUTS OUT MESH STEPS TERMINATE_AT

A MESH is four numbers, such as 1x2x2x2: data, fsdp, sequence, tensor.
"""

import os
import signal
import sys
from pathlib import Path

from lemur.core.files import ENVIRONMENT, read_yaml
from lemur.core.numerics import apply_numerics
from lemur.pipeline.build import multi_host
from tests.training.builders import parameters

SHAPE = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}


def block(mesh, **changes):
    names = ("data", "fsdp", "sequence", "tensor")
    sizes = dict(zip(names, map(int, mesh.split("x")), strict=True))
    return parameters("base_model", batch_size=16, microbatches=2, mesh=sizes, model=SHAPE, **changes)


def gradients(inputs, out, meshes):
    """Write OUT/MESH.npz for each mesh: loss, nats by source and every parameter's gradient, from the real step."""
    import jax
    import numpy as np
    import optax
    from flax import nnx

    from lemur.model.weights import build
    from lemur.tokens.shards import open_shards
    from lemur.training import devices
    from lemur.training.base_model import Params
    from lemur.training.batches import Batches
    from lemur.training.step import compile_step, state_shardings
    from tests.model.reference import random_tensors, small_config

    shards = open_shards(inputs / "packed")
    config = small_config(vocab_size=36)
    for name in meshes:
        params = Params.model_validate(block(name))
        mesh = devices.make_mesh(params.mesh)
        with devices.use_mesh(mesh):
            model = build(config, random_tensors(config).__getitem__, mesh=mesh)
            graph, weights = nnx.split(model)
            before = jax.tree.map(np.array, nnx.to_pure_dict(weights))
            tx = optax.sgd(1.0)  # a step subtracts the gradient
            shardings = state_shardings(mesh, tx, weights) if mesh else None
            batches = Batches(shards, params, mesh, multiple=devices.length_multiple(mesh, False))
            step = compile_step(graph, tx, sources=2, shardings=shardings)
            arrays = batches.next(False).arrays
            state, metrics = step({"params": weights, "optimizer": tx.init(weights)}, arrays, np.float32(np.inf))
            after = nnx.to_pure_dict(state["params"])
            gradient = jax.tree.map(lambda b, a: b - np.asarray(a), before, after)
            largest = max(leaf.addressable_shards[0].data.size / leaf.size for leaf in jax.tree.leaves(after))
        flat = {jax.tree_util.keystr(path): leaf for path, leaf in jax.tree.leaves_with_path(gradient)}
        scalars = {"loss": metrics["loss"], "by_source": metrics["by_source"], "largest_part": largest}
        np.savez(out / f"{name}.npz", **scalars, **flat)


def sent(out, meshes):
    """Write OUT/sent.json: for each mesh, the bytes a device sends in a step of 16 sequences of 256 tokens."""
    import jax
    import jax.numpy as jnp
    import optax
    from flax import nnx

    from lemur.core.records import write_json
    from lemur.model.llama import Llama
    from lemur.model.sharding import spec
    from lemur.planning.collectives import collective_bytes
    from lemur.training import devices
    from lemur.training.base_model import Params
    from lemur.training.step import compile_step, state_shardings
    from tests.model.reference import small_config

    config = small_config(hidden_size=64, intermediate_size=128, head_dim=16, num_hidden_layers=2, vocab_size=64)
    bytes_sent = {}
    for name in meshes:
        mesh = devices.make_mesh(Params.model_validate(block(name)).mesh)
        model = nnx.eval_shape(lambda: Llama(config, rngs=nnx.Rngs(0), remat="full"))
        graph, weights = nnx.split(model)
        tx = optax.sgd(1.0)
        shardings = state_shardings(mesh, tx, weights)
        state = {"params": weights, "optimizer": jax.eval_shape(tx.init, weights)}
        sharding = jax.sharding.NamedSharding(mesh, spec(mesh, (1, 16, 256), devices.BATCH_AXES))
        batch = {
            key: jax.ShapeDtypeStruct((1, 16, 256), jnp.float32 if key == "weights" else jnp.int32, sharding=sharding)
            for key in ("tokens", "targets", "segments", "positions", "weights", "sources")
        }
        with devices.use_mesh(mesh):
            step = compile_step(graph, tx, sources=2, shardings=shardings)
            compiled = step.lower(state, batch, jax.ShapeDtypeStruct((), jnp.float32)).compile()
        bytes_sent[name] = sum(collective_bytes(compiled.as_text(), jax.device_count()).values())
    write_json(out / "sent.json", bytes_sent)


def stage(inputs, out, mesh, steps, terminate_at):
    """Run the stage base_model on a mesh, in all launched processes; SIGTERM arrives in step `terminate_at`."""
    from lemur.training.base_model import Params, base_model
    from lemur.training.batches import Batches

    out = out / str(multi_host.join())
    out.mkdir(parents=True, exist_ok=True)
    next_batch = Batches.next

    def next_batch_with_sigterm(self, stop):
        if self.state()["step"] + 1 == terminate_at:
            os.kill(os.getpid(), signal.SIGTERM)
        return next_batch(self, stop)

    Batches.next = next_batch_with_sigterm
    base_model(
        Params.model_validate(block(mesh, steps=steps)),
        inputs / "tokenizer",
        inputs / "packed",
        inputs / "heldout",
        inputs / "none",
        model=out / "model",
        curve=out / "curve.csv",
        report=out / "report.json",
    )
    multi_host.wait_for_all("done")


if __name__ == "__main__":
    command, inputs, out, *meshes = sys.argv[1:]
    sizes = [int(size) for size in meshes[0].split("x")]
    count = sizes[0] * sizes[1] * sizes[2] * sizes[3]
    apply_numerics(read_yaml(ENVIRONMENT)["numerics"], count // multi_host.processes())
    if command == "gradients":
        gradients(Path(inputs), Path(out), meshes)
    elif command == "sent":
        sent(Path(out), meshes)
    else:
        stage(Path(inputs), Path(out), meshes[0], int(meshes[1]), int(meshes[2]))
