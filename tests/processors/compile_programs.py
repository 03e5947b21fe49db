"""Compiles the project's programs for a small model: python -m tests.processors.compile_programs DUMP

XLA writes the compiled programs to the folder DUMP."""

import os
import sys

from lemur.core.files import ENVIRONMENT, read_yaml
from lemur.core.numerics import apply_numerics
from lemur.core.parameter_blocks import current_blocks

ROWS, LENGTH = 4, 64


def compile_programs() -> None:
    import jax
    import numpy as np
    from flax import nnx

    from lemur.inference.compiled_programs import Programs
    from lemur.model.config import LlamaConfig
    from lemur.model.weights import build, tensor_shapes
    from lemur.training.base_model import Params
    from lemur.training.loss import token_losses
    from lemur.training.optimizer import optimizer
    from lemur.training.step import compile_step

    block = current_blocks()["base_model"]
    shape = block["model"] | {"num_hidden_layers": 1}
    config = LlamaConfig(**shape, head_dim=shape["hidden_size"] // shape["num_attention_heads"], vocab_size=512)
    shapes = tensor_shapes(config)
    model = build(config, lambda name: np.full(shapes[name], 0.5, np.float32), remat=block["remat"])

    def array(dtype: type, *shape: int) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct(shape, dtype)

    params = Params.model_validate(block)
    graph, weights = nnx.split(model)
    tx = optimizer(params.optimizer, params.steps)
    state = jax.eval_shape(lambda weights: {"params": weights, "optimizer": tx.init(weights)}, weights)
    names = ("tokens", "targets", "segments", "positions", "sources")
    batch = {name: array(np.int32, 2, ROWS // 2, LENGTH) for name in names}
    batch["weights"] = array(np.float32, 2, ROWS // 2, LENGTH)
    compile_step(graph, tx, sources=3).lower(state, batch, array(np.float32)).compile()
    jax.jit(lambda weights, *tokens: token_losses(nnx.merge(graph, weights), *tokens)).lower(
        weights, *[array(np.int32, ROWS, LENGTH)] * 2
    ).compile()

    programs = Programs(model)
    tokens, lengths = np.ones((ROWS, LENGTH), np.int32), np.full(ROWS, LENGTH, np.int32)
    programs.each_token(tokens)
    programs.next_token(None, tokens, lengths)
    prefix = jax.tree.map(lambda part: np.repeat(part, ROWS, 0), programs.prefix_cache(tokens[:1], LENGTH))
    programs.next_token(prefix, tokens, lengths)
    for temperature in (0.0, 0.7):
        texts = programs.generate(
            None, tokens, lengths, np.zeros((ROWS, 2), np.uint32), temperature, cache_length=4 * LENGTH
        )
        next(texts), next(texts)


if __name__ == "__main__":
    numerics = read_yaml(ENVIRONMENT)["numerics"]
    apply_numerics(
        numerics | {"xla_flags": f"{numerics['xla_flags']} --xla_dump_to={sys.argv[1]} --xla_dump_hlo_as_text"}
    )
    os.environ["JAX_ENABLE_COMPILATION_CACHE"] = "false"  # a cached program would not be compiled
    compile_programs()
