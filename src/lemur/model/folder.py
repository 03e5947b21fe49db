"""Model folders in the Hugging Face layout of `LlamaForCausalLM`: the same model always gives the same bytes."""

import shutil
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from lemur.core.records import read_json, write_json
from lemur.core.tokenizer_json import tokenizer_json
from lemur.model.config import LlamaConfig, config_json, json_object, read_config
from lemur.model.llama import Llama
from lemur.model.special_tokens import special_tokens
from lemur.model.weights import build, tensor_shapes, tensors

TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "tokenizer.model",
    "chat_template.jinja",
    "chat_template.json",
)
FLOATS = ("float32", "bfloat16", "float16", "float64")
# Buffers in older exports; they can be derived from config.json.
_DERIVED = ("rotary_emb.inv_freq", "masked_bias")


class TensorReader:
    """Tensors of `model.safetensors`, or of the files that `model.safetensors.index.json` names, read one at a time."""

    def __init__(self, folder: Path) -> None:
        index = folder / "model.safetensors.index.json"
        weight_map: dict[str, str] = {}
        if (folder / "model.safetensors").is_file():
            files = ["model.safetensors"]
        elif index.is_file():
            weight_map = json_object(index, "weight_map")
            files = sorted(set(weight_map.values()))
        else:
            raise FileNotFoundError(
                f"{folder}: neither model.safetensors nor model.safetensors.index.json; is this a model folder?"
            )
        self.folder = folder
        self._handles: dict[str, Any] = {}
        for file in files:
            path = folder / file
            try:
                handle = safe_open(path, framework="np")
            except FileNotFoundError:
                raise FileNotFoundError(f"{path} is named by {index.name} but missing; fetch it again") from None
            except (SafetensorError, OSError) as error:
                raise ValueError(
                    f"{path}: not readable as safetensors ({error}); it is probably truncated: fetch it again"
                ) from None
            self._handles |= dict.fromkeys(handle.keys(), handle)
        for name, file in weight_map.items():
            if name not in self._handles:
                raise ValueError(
                    f"{folder / file}: {index.name} says that it holds tensor {name}, but no file does; "
                    "it belongs to another model or is damaged: fetch it again"
                )

    def __call__(self, name: str) -> np.ndarray:
        if name not in self._handles:
            raise ValueError(
                f"tensor {name} is missing; config.json asks for it: weights and config belong to different models"
            )
        tensor: np.ndarray = self._handles[name].get_tensor(name)
        if tensor.dtype.name not in FLOATS:
            raise ValueError(
                f"tensor {name} holds {tensor.dtype.name}; {', '.join(FLOATS)} are allowed: "
                "dequantise the model first, or import it as GGUF"
            )
        return tensor

    def names(self) -> set[str]:
        return set(self._handles)


def load(
    folder: Path, *, dtype: str = "float32", param_dtype: str = "float32", remat: str = "none", mesh: Mesh | None = None
) -> tuple[LlamaConfig, Llama]:
    """Read a model folder, tensor by tensor. Raises `ValueError` that names the tensor, file or key at fault.

    dtype: dtype of the computation. param_dtype: dtype of the weights in memory. remat: see `llama.REMAT_POLICIES`.
    mesh: devices to shard the weights over.
    """
    config = read_config(folder / "config.json")
    read = TensorReader(folder)
    derived = {name for name in read.names() if name.endswith(_DERIVED)}
    derived |= {"lm_head.weight"} if config.tie_word_embeddings else set()
    if unknown := sorted(read.names() - set(tensor_shapes(config)) - derived):
        raise ValueError(
            f"{folder}: tensors {unknown[:5]} ({len(unknown)} in all) are not part of the Llama model that config.json "
            f"describes ({config.num_hidden_layers} layers); weights and config belong to different models"
        )
    try:
        return config, build(config, read, dtype=dtype, param_dtype=param_dtype, remat=remat, mesh=mesh)
    except ValueError as error:
        raise ValueError(f"{folder}: {error}") from None


def save(folder: Path, model: Llama, tokenizer: Path, *, dtype: str, shard_bytes: int = 5_000_000_000) -> None:
    """Write config, generation config, weights in `dtype` and the files of the folder `tokenizer`.

    Weights above `shard_bytes` go to several files with an index, so that at most one file's worth is in memory twice.
    All processes must call this; the first one writes the weights.
    """
    folder.mkdir(parents=True, exist_ok=True)
    config = model.config
    ids = {name: getattr(config, name) for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
    write_json(folder / "config.json", config_json(config, dtype))
    defined_ids = {name: value for name, value in ids.items() if value is not None}
    write_json(folder / "generation_config.json", {"do_sample": False, **defined_ids})
    tokenizer_json(tokenizer)
    for name in [name for name in TOKENIZER_FILES if (tokenizer / name).is_file()]:
        shutil.copyfile(tokenizer / name, folder / name)
    _make_tokenizer_agree(folder, config)
    _save_weights(folder, model, dtype, shard_bytes)


def _make_tokenizer_agree(folder: Path, config: LlamaConfig) -> None:
    """Let the tokenizer's files say what the config says: how many tokens the model takes, and which one ends an
    answer. A chat model's answers end with another token than the documents of its base model."""
    path = folder / "tokenizer_config.json"
    if not path.is_file():
        return
    end = next((text for text, number in _vocabulary(folder).items() if number == config.eos_token_id), None)
    stale = end is not None and special_tokens(folder).get("eos_token") != end
    changes = {"eos_token": end} if stale else {}
    write_json(path, {**read_json(path), **changes, "model_max_length": config.max_position_embeddings})
    older = folder / "special_tokens_map.json"
    if stale and older.is_file():
        write_json(older, {**read_json(older), **changes})


def _save_weights(folder: Path, model: Llama, dtype: str, shard_bytes: int) -> None:
    shards: list[list[str]] = []
    pending: dict[str, np.ndarray] = {}
    total = size = 0
    is_writer = jax.process_index() == 0

    def flush() -> None:
        nonlocal pending, size
        if not is_writer:
            pending, size = {}, 0
            return
        shards.append(list(pending))
        # transformers requires "format"; safetensors itself sorts the names.
        save_file(pending, folder / f"part-{len(shards)}", metadata={"format": "pt"})
        # safetensors writes files that only their owner can read.
        shutil.copymode(folder / "config.json", folder / f"part-{len(shards)}")
        pending, size = {}, 0

    for name, tensor in tensors(model, dtype):
        if pending and size + tensor.nbytes > shard_bytes:
            flush()
        pending[name] = tensor
        size += tensor.nbytes
        total += tensor.nbytes
    flush()
    if not is_writer:
        return
    if len(shards) == 1:
        (folder / "part-1").rename(folder / "model.safetensors")
        return
    weight_map: dict[str, str] = {}
    for number, names in enumerate(shards, 1):
        file = f"model-{number:05d}-of-{len(shards):05d}.safetensors"
        (folder / f"part-{number}").rename(folder / file)
        weight_map |= dict.fromkeys(names, file)
    write_json(folder / "model.safetensors.index.json", {"metadata": {"total_size": total}, "weight_map": weight_map})


def tokenizer_size(folder: Path) -> int:
    """1 + the highest id of `tokenizer.json`: the smallest vocabulary that a model needs for this tokenizer."""
    return 1 + max(_vocabulary(folder).values())


def token_id(folder: Path, token: str) -> int:
    """Id of a token of `tokenizer.json`. Raises `ValueError` if there is no such token."""
    identifier = _vocabulary(folder).get(token)
    if identifier is None:
        raise ValueError(f"{folder}/tokenizer.json has no token {token!r}")
    return identifier


def special_ids(folder: Path) -> tuple[int, int]:
    """Ids of the beginning-of-text and end-of-text tokens that `tokenizer_config.json` names. Raises `ValueError` if it
    does not name them."""
    tokens = special_tokens(folder)
    if missing := [name for name in ("bos_token", "eos_token") if name not in tokens]:
        raise ValueError(f"{folder}/tokenizer_config.json: {' and '.join(missing)} must name a token of tokenizer.json")
    return token_id(folder, tokens["bos_token"]), token_id(folder, tokens["eos_token"])


def _vocabulary(folder: Path) -> dict[str, int]:
    content = read_json(tokenizer_json(folder))
    added = {token["content"]: token["id"] for token in content.get("added_tokens", [])}
    return {**content["model"]["vocab"], **added}
