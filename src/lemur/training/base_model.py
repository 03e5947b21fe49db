"""Stage `base_model`: the model that continued pre-training starts from, imported or a small one from scratch."""

import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from lemur.core.params import StageParams
from lemur.model.config import check_heads
from lemur.training.params import SteppedParams, mesh_problems

if TYPE_CHECKING:
    from jax.sharding import Mesh

    from lemur.model.llama import Llama


DISTRIBUTED = True


class ModelParams(StageParams):
    """The model's shape; names as in config.json."""

    hidden_size: int = Field(gt=0, description="width of the residual stream")
    intermediate_size: int = Field(gt=0, description="width of the SwiGLU MLP")
    num_hidden_layers: int = Field(gt=0, description="layers")
    num_attention_heads: int = Field(gt=0, description="query heads; hidden_size must be a multiple of this")
    num_key_value_heads: int = Field(gt=0, description="key and value heads; must divide the number of query heads")
    max_position_embeddings: int = Field(gt=0, description="tokens of context")
    rms_norm_eps: float = Field(gt=0, description="added to the mean square in the norms")
    rope_theta: float = Field(gt=0, description="base of the rotary frequencies")
    tie_word_embeddings: bool = Field(description="use the embedding as the output layer")
    initializer_range: float = Field(gt=0, description="standard deviation of the initial weights")

    @model_validator(mode="after")
    def _heads(self) -> Self:
        width, heads = self.hidden_size, self.num_attention_heads
        if width % (2 * heads):
            raise ValueError(
                f"hidden_size ({width}) is not a multiple of 2 * num_attention_heads ({heads}); rotary embeddings "
                "rotate pairs in each head"
            )
        check_heads(heads, self.num_key_value_heads)
        return self


class Params(SteppedParams):
    init: Literal["scratch", "gguf", "safetensors"] = Field(
        description="draw random weights, or import those in data/raw/base_weights/ in this format"
    )
    model: ModelParams = Field(description="shape of a model from scratch; an imported one has its own")

    @model_validator(mode="after")
    def _splits(self) -> Self:
        if self.init == "scratch" and (problems := mesh_problems(self.mesh, self.model)):
            raise ValueError("; ".join(problems))
        return self


def base_model(
    params: Params,
    tokenizer: Path,
    shards: Path,
    heldout: Path,
    base_weights: Path,
    *,
    model: Path,
    curve: Path,
    report: Path,
) -> None:
    """Train for `steps` steps on the base mixture and write a model folder with the tokenizer's vocabulary."""
    from lemur.core.records import write_json
    from lemur.model import checksums, folder
    from lemur.tokens.shards import open_shards
    from lemur.training.devices import make_mesh
    from lemur.training.loop import train
    from lemur.training.monitoring.heldout import Heldout

    packed = open_shards(shards)
    mesh = make_mesh(params.mesh)
    scratch = params.init == "scratch"
    start, origin = _scratch(params, tokenizer, mesh) if scratch else _imported(params, base_weights, mesh)
    if (needed := folder.tokenizer_size(tokenizer)) > start.config.vocab_size:
        raise ValueError(
            f"{tokenizer}: the tokenizer has {needed} tokens, the imported model only {start.config.vocab_size}; "
            "set params.yaml: tokenizer to use the base model's"
        )
    documents = Heldout(
        heldout,
        tokenizer,
        bos=start.config.bos_token_id,
        length=packed.sequence_length,
        bytes_per_group=params.heldout_bytes,
    )
    trained = train(
        start,
        packed,
        params,
        steps=params.steps,
        origin=origin,
        curve=curve,
        mesh=mesh,
        heldout=documents,
    )
    folder.save(model, trained.model, tokenizer, dtype=params.export_dtype)
    write_json(
        report, {"stage": "base_model", "init": params.init, "weights": checksums.sha256(model), **trained.summary}
    )
    trained.remove_checkpoints()


def _scratch(params: Params, tokenizer: Path, mesh: "Mesh | None") -> "tuple[Llama, str]":
    from lemur.model.checksums import file_sha256
    from lemur.model.config import LlamaConfig
    from lemur.model.folder import special_ids, tokenizer_size
    from lemur.model.weights import build, tensor_shapes

    shape = params.model
    bos, eos = special_ids(tokenizer)
    config = LlamaConfig(
        **shape.model_dump(),
        head_dim=shape.hidden_size // shape.num_attention_heads,
        vocab_size=tokenizer_size(tokenizer),
        bos_token_id=bos,
        eos_token_id=eos,
    )

    def draw(name: str) -> np.ndarray:
        """A tensor's initial value: 1 for norms, normal for weights. Each tensor has its own seed, and NumPy draws it,
        so that it is the same on any device."""
        shape = tensor_shapes(config)[name]
        if len(shape) == 1:
            return np.ones(shape, np.float32)
        generator = np.random.default_rng([params.seed, zlib.crc32(name.encode())])
        return generator.standard_normal(shape, np.float32) * np.float32(config.initializer_range)

    # Weights trained with another tokenizer are useless, even if it has the same size.
    origin = f"scratch, tokenizer {file_sha256(tokenizer / 'tokenizer.json')}"
    return build(config, draw, dtype=params.compute_dtype, remat=params.remat, mesh=mesh), origin


def _imported(params: Params, base_weights: Path, mesh: "Mesh | None") -> "tuple[Llama, str]":
    from lemur.model import checksums, folder
    from lemur.sources import fetched
    from lemur.training.gguf_import import import_gguf

    source = fetched.load(base_weights)
    schema = {"gguf": "gguf", "safetensors": "safetensors_folder"}[params.init]
    files = [file for file in source.files if file.schema == schema]
    if not files:
        raise ValueError(
            f"{base_weights}: no file of schema {schema} (place {source.place}), but params.yaml: base_model.init is "
            f"{params.init!r}; set fetch.base_weights to a place that has one, or init to 'scratch'"
        )
    options: dict[str, Any] = {"dtype": params.compute_dtype, "remat": params.remat, "mesh": mesh}
    if params.init == "gguf":
        return import_gguf(files[0].path, **options)[1], checksums.file_sha256(files[0].path)
    parent = next((file.path.parent for file in files if file.path.name == "config.json"), files[0].path.parent)
    return folder.load(parent, **options)[1], checksums.sha256(parent)
