"""The back ends by name: the parameter `backend` of every benchmark (docs/evaluation.md)."""

import os
from pathlib import Path
from typing import Literal

from lemur.inference.answer_cache import TILES_AT_ONCE, CachedModel
from lemur.inference.answer_files import answers_path
from lemur.inference.interface import Model
from lemur.inference.on_demand import OnDemand
from lemur.inference.text import TextCodec
from lemur.inference.token_model import context_length

Backend = Literal["jax", "server", "vllm", "transformers", "replay"]


def open_model(
    folder: Path,
    backend: Backend,
    *,
    task: str,
    tile: int,
    bos: bool,
    context: int | None,
    server: str = "LEMUR_SERVER",
) -> Model:
    """Open the model of `folder` through `backend`. Answers that it gave before are reused, and its weights are loaded
    only if others are needed. `task`: the benchmark; `server`: the environment variable with a server's address; other
    arguments as in `JaxModel.load`."""
    codec = TextCodec(folder, bos=bos)
    length = context_length(codec, context)
    if backend == "replay":
        from lemur.inference.replay import ReplayModel

        return ReplayModel.from_samples(recorded_samples(folder, task), codec, length)
    model: Model
    if backend == "jax":

        def load_jax() -> Model:
            from lemur.inference.jax_model import JaxModel

            return JaxModel.load(folder, tile=tile, bos=bos, context=context)

        model = OnDemand("jax", codec, length, load_jax)
    elif backend == "transformers":

        def load_transformers() -> Model:
            from lemur.inference.transformers_model import TransformersModel

            return TransformersModel(codec, length)

        model = OnDemand("transformers", codec, length, load_transformers)
    elif backend == "vllm":
        from lemur.inference.vllm_model import VllmModel

        model = VllmModel(codec, length)
    else:
        from lemur.inference.server_model import ServerModel

        model = ServerModel.from_environment(codec, length, server)
    settings = {"bos": bos, "context": length} | ({"tile": tile} if backend == "jax" else {})
    path = answers_path(model.identity(), codec, settings, task)
    return CachedModel(model, path, portion=TILES_AT_ONCE * tile)


def recorded_samples(folder: Path, task: str) -> Path:
    """Where back end `replay` finds what the model of `folder` answered. Raises `ValueError` without LEMUR_REPLAY."""
    recorded = os.environ.get("LEMUR_REPLAY")
    if not recorded:
        raise ValueError("LEMUR_REPLAY is not set; set it to a folder of recorded samples laid out like data/eval/")
    return Path(recorded, folder.name, f"{task}.jsonl")
