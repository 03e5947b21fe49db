"""A model folder as the hub expects it: which files belong in it, and what is wrong with them."""

import math
import os
import shutil
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from safetensors import safe_open
from tokenizers import Tokenizer

from lemur.core.records import Record, read_json
from lemur.core.tokenizer_json import tokenizer_json
from lemur.model.config import json_object
from lemur.model.folder import TOKENIZER_FILES, TensorReader
from lemur.model.special_tokens import special_tokens

PUBLISHED = (
    "config.json",
    "generation_config.json",
    "*.safetensors",
    "model.safetensors.index.json",
    *TOKENIZER_FILES,
    "vocab.json",
    "merges.txt",
    "LICENSE*",
    "NOTICE*",
    "USE_POLICY*",
)
"""Everything else stays here: optimizer states, pickles, logs, hidden files."""
NO_LIMIT = 10**9
"""`transformers` writes such a number as `model_max_length` when it knows none."""


def files(folder: Path) -> list[Path]:
    """The files to publish. Raises `FileNotFoundError` or `ValueError` if weights, config or tokenizer are missing or
    damaged."""
    TensorReader(folder)
    json_object(folder / "config.json")
    tokenizer_json(folder)
    return [path for path in sorted(folder.iterdir()) if path.is_file() and _is_published(path.name)]


def left_out(folder: Path) -> list[str]:
    return [path.name for path in sorted(folder.iterdir()) if not (path.is_file() and _is_published(path.name))]


def _is_published(name: str) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in PUBLISHED)


def tensors(folder: Path) -> tuple[int, list[str]]:
    """The number of parameters and their types, such as F32, from the files' headers."""
    count, types = 0, set()
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, framework="np") as file:
            for name in file.keys():  # noqa: SIM118 - not a mapping
                header = file.get_slice(name)
                count += math.prod(header.get_shape())
                types.add(str(header.get_dtype()))
    return count, sorted(types)


def faults(folder: Path) -> list[str]:
    """What a user of the folder would stumble over."""
    config = json_object(folder / "config.json")
    tokenizer_config = _optional(folder / "tokenizer_config.json")
    generation = _optional(folder / "generation_config.json")
    tokenizer = Tokenizer.from_file(str(tokenizer_json(folder)))
    found = []
    if not config.get("architectures"):
        found.append("config.json: no `architectures`: AutoModelForCausalLM and vLLM need it")
    if "dtype" not in config:
        found.append(
            "config.json: no `dtype`, only `torch_dtype`" if "torch_dtype" in config else "config.json: no `dtype`"
        )
    longest, context = tokenizer_config.get("model_max_length"), config.get("max_position_embeddings")
    if not isinstance(longest, int) or longest >= NO_LIMIT:
        found.append(f"tokenizer_config.json: no `model_max_length`; config.json allows {context} tokens")
    elif context is not None and longest > context:
        found.append(f"tokenizer_config.json: model_max_length {longest} exceeds config.json's {context} tokens")
    ends = {
        name: _ids(values.get("eos_token_id"))
        for name, values in (("config.json", config), ("generation_config.json", generation))
        if "eos_token_id" in values
    }
    text = special_tokens(folder).get("eos_token") if tokenizer_config else None
    end = None if text is None else tokenizer.token_to_id(text)
    for name, ids in ends.items():
        if end not in ids:
            stated = f"tokenizer_config.json's eos_token {text!r} is {end}"
            found.append(f"{name}: eos_token_id is {', '.join(map(str, ids))}, but {stated}")
    if (size := tokenizer.get_vocab_size()) > config.get("vocab_size", size):
        found.append(f"tokenizer.json has {size} tokens, config.json's vocab_size is only {config['vocab_size']}")
    return found


def compose(folder: Path, card: str, target: Path) -> list[Path]:
    """Write `target`: the folder's files, large ones as links, and the card as README.md. Returns its files."""
    partial = target.with_name(f".{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    for path in files(folder):
        if path.suffix == ".safetensors":
            os.symlink(path.resolve(), partial / path.name)
        else:
            shutil.copyfile(path, partial / path.name)
    (partial / "README.md").write_text(card, encoding="utf-8")
    shutil.rmtree(target, ignore_errors=True)
    partial.rename(target)
    return sorted(target.iterdir())


def _optional(path: Path) -> Record:
    return dict(read_json(path)) if path.is_file() else {}


def _ids(value: int | Sequence[int] | None) -> set[int | None]:
    return {value} if isinstance(value, int) or value is None else set(value)
