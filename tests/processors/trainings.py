"""Outputs of the trainings: the three stages in sequence, and one with an imported shape."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from lemur.core.parameter_blocks import current_blocks
from lemur.model import folder as model_folder
from lemur.model.config import LlamaConfig, RopeScaling
from lemur.model.weights import build, tensor_shapes
from lemur.training import base_model, continued_pretraining, instruction_tuning
from tests.processors.synthetic import write_heldout, write_shards, write_tokenizer

Files = Iterator[tuple[str, bytes]]


def trainings(work: Path, steps: int, changes: dict[str, Any], mesh: dict[str, int]) -> Files:
    """`changes`: to params.yaml's base_model.model; `mesh`: changes to the three trainings' mesh."""
    settings = current_blocks()
    shape = settings["base_model"]["model"] | changes
    vocabulary = settings["tokenizer"]["vocab_size"]
    packed, encoded = (settings[stage]["sequence_length"] for stage in ("pack_corpus", "encode_instructions"))

    def block(stage: str, **values: Any) -> dict[str, Any]:
        # Each device of a mesh needs rows of a microbatch.
        on_mesh = {"mesh": settings[stage]["mesh"] | mesh, "microbatches": 2} if mesh else {}
        return settings[stage] | {"eval_every": steps} | on_mesh | values

    rows = settings["base_model"]["batch_size"] * steps
    write_tokenizer(work / "tokenizer", vocabulary)
    write_heldout(work / "heldout", vocabulary)
    write_shards(work / "packed", rows, packed, vocabulary)
    write_shards(work / "encoded", rows, encoded, vocabulary, chat=True)
    base = base_model.Params.model_validate(block("base_model", model=shape, steps=steps))
    inputs = (work / "tokenizer", work / "packed", work / "heldout", work / "none")
    base_model.base_model(base, *inputs, **_outputs(work / "base_model"))
    yield from _files(work / "base_model")

    continued = continued_pretraining.Params.model_validate(block("continued_pretraining", steps=steps))
    inputs = (work / "base_model" / "model", work / "packed", work / "heldout")
    continued_pretraining.continued_pretraining(continued, *inputs, **_outputs(work / "continued_pretraining"))
    yield from _files(work / "continued_pretraining")

    # Adds the chat tokens to the vocabulary.
    tuning = instruction_tuning.Params.model_validate(block("instruction_tuning", epochs=1.0))
    inputs = (work / "continued_pretraining" / "model", work / "encoded", work / "heldout")
    instruction_tuning.instruction_tuning(tuning, *inputs, **_outputs(work / "instruction_tuning"))
    yield from _files(work / "instruction_tuning")


def imported(work: Path, steps: int) -> Files:
    """Shapes like SmolLM2's and Llama 3's: 9 heads on 3, widths that are not powers of two, a separate output head,
    scaled rotary frequencies. Trained like EasyLM, and with the products kept for the backward pass."""
    config = LlamaConfig(
        vocab_size=1003,
        hidden_size=192,
        intermediate_size=512,
        num_hidden_layers=2,
        num_attention_heads=9,
        num_key_value_heads=3,
        head_dim=32,
        max_position_embeddings=256,
        rope_scaling=RopeScaling("llama3", 8.0, original_max_position_embeddings=64),
    )
    rng = np.random.default_rng(2)
    weights = {
        name: rng.standard_normal(shape, np.float32) * np.float32(0.05) + np.float32(len(shape) == 1)
        for name, shape in tensor_shapes(config).items()
    }
    settings = current_blocks()["continued_pretraining"]
    options = {"loss_normalisation": "sequences", "attend_across_documents": True, "microbatches": 1, "remat": "dots"}
    params = continued_pretraining.Params.model_validate(settings | options | {"steps": steps, "eval_every": steps})
    write_tokenizer(work / "tokenizer", config.vocab_size)
    write_heldout(work / "heldout", config.vocab_size)
    write_shards(work / "packed", params.batch_size * steps, 190, config.vocab_size)
    model_folder.save(work / "start", build(config, weights.__getitem__), work / "tokenizer", dtype="float32")
    inputs = (work / "start", work / "packed", work / "heldout")
    continued_pretraining.continued_pretraining(params, *inputs, **_outputs(work / "imported"))
    yield from _files(work / "imported")


def _outputs(folder: Path) -> dict[str, Path]:
    folder.mkdir()
    return {"model": folder / "model", "curve": folder / "curve.csv", "report": folder / "report.json"}


def _files(folder: Path) -> Files:
    """Weights; loss, norms and learning rate of each step; held-out losses."""
    for name in ("model/model.safetensors", "curve.csv", "report.json"):
        yield f"{folder.name}/{name}", (folder / name).read_bytes()
