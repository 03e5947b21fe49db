"""The back ends by name: the parameter `backend` of every benchmark (docs/evaluation.md)."""

import os
from pathlib import Path
from typing import Literal

from lemur.core.records import Record
from lemur.inference import answer_cache
from lemur.inference.interface import Model
from lemur.inference.text import TextCodec
from lemur.inference.token_model import context_length

Backend = Literal["jax", "server", "vllm", "transformers", "replay"]


def open_model(
    folder: Path, backend: Backend, *, task: str, tile: int, bos: bool, context: int | None, settings: Record
) -> Model:
    """Open the model of `folder` through `backend`. Answers that an interrupted run left under the same `settings` are
    reused. `task`: the benchmark whose recorded samples `replay` reads; other arguments as in `JaxModel.load`."""
    codec = TextCodec(folder, bos=bos)
    if backend == "replay":
        from lemur.inference.replay import ReplayModel

        recorded = os.environ.get("LEMUR_REPLAY")
        if not recorded:
            raise ValueError("LEMUR_REPLAY is not set; set it to a folder of recorded samples laid out like data/eval/")
        samples = Path(recorded, folder.name, f"{task}.jsonl")
        return ReplayModel.from_samples(samples, codec, context_length(codec, context))
    model: Model
    if backend == "jax":
        from lemur.inference.jax_model import JaxModel

        model = JaxModel.load(folder, tile=tile, bos=bos, context=context)
    elif backend == "transformers":
        from lemur.inference.transformers_model import TransformersModel

        model = TransformersModel(codec, context_length(codec, context))
    elif backend == "vllm":
        from lemur.inference.vllm_model import VllmModel

        model = VllmModel(codec, context_length(codec, context))
    else:
        from lemur.inference.server_model import ServerModel

        model = ServerModel.from_environment(codec, context_length(codec, context))
    return answer_cache.with_cached_answers(model, settings, tile=tile)
