"""The trainings of a scale: parameters and shapes, without data."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from lemur.core.scales import blocks
from lemur.training.params import MeshParams, TrainingParams

if TYPE_CHECKING:
    from lemur.model.config import LlamaConfig

# The stage that packs each training's data.
STAGES = {"continued_pretraining": "pack_corpus", "instruction_tuning": "encode_instructions"}
LLAMA2_VOCABULARY = 32000
CHATML_TOKENS = 5
# The model that scale small imports (`init: gguf`); it already has two of ChatML's tokens. The shape in params.yaml is
# for a model from scratch, and at scale paper it is Llama-2-70B's.
SMOLLM2_135M = {
    "hidden_size": 576,
    "intermediate_size": 1536,
    "num_hidden_layers": 30,
    "num_attention_heads": 9,
    "num_key_value_heads": 3,
    "max_position_embeddings": 8192,
    "rope_theta": 100000.0,
    "tie_word_embeddings": True,
}
SMOLLM2_VOCABULARY = 49152


@dataclass(frozen=True)
class Training:
    """One training of a scale, as needed to compile its step. steps: None if they depend on the data."""

    stage: str
    params: TrainingParams
    config: "LlamaConfig"
    length: int
    steps: int | None

    @property
    def tokens(self) -> int:
        """Tokens per step."""
        return self.params.batch_size * self.length

    def on(self, mesh: Sequence[int], microbatches: int) -> "Training":
        """The same training on another mesh (data, fsdp, sequence, tensor) with other microbatches."""
        sizes = MeshParams(data=mesh[0], fsdp=mesh[1], sequence=mesh[2], tensor=mesh[3])
        return replace(self, params=self.params.model_copy(update={"mesh": sizes, "microbatches": microbatches}))


def read_training(scale: Path, stage: str, *, layers: int | None = None) -> Training:
    """A training with params.yaml as the scale's file changes it; layers: another depth.

    Raises `SystemExit` that names a key which is not a parameter.
    """
    from lemur.model.config import LlamaConfig

    values = blocks(scale)
    params: TrainingParams = import_module(f"lemur.training.{stage}").Params.model_validate(values[stage])
    shape, tokenizer = values["base_model"]["model"], values["tokenizer"]
    vocabulary = LLAMA2_VOCABULARY if tokenizer["kind"] == "llama2" else tokenizer["vocab_size"]
    added = CHATML_TOKENS
    if values["base_model"]["init"] == "gguf":
        shape, vocabulary, added = shape | SMOLLM2_135M, SMOLLM2_VOCABULARY, CHATML_TOKENS - 2
    config = LlamaConfig(
        **shape,
        vocab_size=vocabulary + (added if stage == "instruction_tuning" else 0),
        head_dim=shape["hidden_size"] // shape["num_attention_heads"],
    )
    config = replace(config, num_hidden_layers=layers) if layers else config
    return Training(stage, params, config, values[STAGES[stage]]["sequence_length"], getattr(params, "steps", None))
