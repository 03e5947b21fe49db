"""Where the answers of a model are kept: `.lemur/answers/HASH/TASK.jsonl`.

HASH covers all that decides an answer besides the request: model, tokenizer, back end with its settings, numerics, and
the code that computes. What decides which items are asked or how answers are scored is not part of it.
"""

import hashlib
import os
import shutil
from collections.abc import Collection
from pathlib import Path

from lemur.core import processor
from lemur.core.files import PACKAGE, ROOT
from lemur.core.records import Record, dump
from lemur.core.source_hash import source_hash
from lemur.core.versions import installed
from lemur.inference.text import TextCodec

ASKING = {"backends", "chat_template", "replay"}
"""Modules of this room that decide what is asked, and by whom, but no answer; as do those of this folder."""
COMPUTING = {
    "jax": {"jax_model", "compiled_programs", "decoding", "growing_answer", "prefix_cache"},
    "transformers": {"transformers_model"},
    "server": {"server_model"},
    "vllm": {"server_model", "vllm_model"},
}
"""Modules that only these back ends use. All others count for every back end."""
TOKENIZING = ("core/tokenizer_json.py", "model/special_tokens.py", "tokens/tokenizers/tokenizer_folder.py")


def folder() -> Path:
    """The folder of all answers."""
    return Path(os.environ.get("LEMUR_ANSWERS", ROOT / ".lemur" / "answers"))


def answers_path(identity: Record, codec: TextCodec, settings: Record, task: str) -> Path:
    """The file with the answers to `task` of the model that `identity` describes under `settings`."""
    decisive = {**identity, "settings": settings, "tokens": codec.settings(), "code": code(identity["backend"])}
    if identity["backend"] == "jax":
        decisive["numerics"] = numerics()
    return folder() / hashlib.sha256(dump(decisive).encode()).hexdigest()[:32] / f"{task}.jsonl"


def code(backend: str) -> str:
    """The hash of the modules that compute this back end's answers."""
    others = set().union(*COMPUTING.values()) - COMPUTING[backend]
    modules = [path for path in (PACKAGE / "inference").glob("*.py") if path.stem not in ASKING | others]
    modules += [PACKAGE / name for name in TOKENIZING]
    if backend == "jax":
        modules += (PACKAGE / "model").glob("*.py")
    return source_hash(PACKAGE, modules)


def numerics() -> Record:
    """What decides JAX's bits: versions, settings, and the processor where no profile makes all of them equal."""
    settings = {name: os.environ.get(name, "") for name in ("XLA_FLAGS", "NPROC", "JAX_PLATFORMS")}
    profile = {"platform": settings["JAX_PLATFORMS"], "xla_flags": settings["XLA_FLAGS"]}
    same_everywhere = profile["platform"] == "cpu" and processor.X86_64_FLAG in profile["xla_flags"]
    if not same_everywhere or processor.outside_profile(profile):
        settings["processor"] = processor.name()
    return {**settings, **{name: installed(name) for name in ("jax", "jaxlib", "flax", "tokenizers")}}


def prune(keep: Collection[Path]) -> int:
    """Remove the answers of all models but those whose files `keep` names. Returns the number of bytes freed."""
    kept = {path.parent.resolve() for path in keep}
    freed = 0
    for path in sorted(folder().glob("*")):
        if path.resolve() not in kept:
            files = [file for file in (path, *path.rglob("*")) if file.is_file()]
            freed += sum(file.stat().st_size for file in files)
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    return freed
