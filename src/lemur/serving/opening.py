"""Open a model folder that a person names."""

from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from lemur.core.files import ROOT

if TYPE_CHECKING:
    from lemur.serving.engine import Engine

MODELS = ROOT / "models"


def open_engine(folder: Path, *, tile: int, rows: int, waiting: int, context: int | None) -> "Engine":
    """Exits with a message that says how to mend it if the folder holds no model that can be loaded, or if the caches
    would not fit into the memory. Other arguments as in `Engine`."""
    try:
        checked(folder)
        from lemur.serving.engine import Engine  # JAX takes seconds

        engine = Engine.load(folder, tile=tile, rows=rows, waiting=waiting, context=context)
    except (ValueError, FileNotFoundError) as error:
        raise SystemExit(str(error)) from None
    free = psutil.virtual_memory().available
    if engine.most_bytes() > free:
        raise SystemExit(
            f"{rows} answers at once with a context of {engine.context_length} tokens take up to "
            f"{_gib(engine.most_bytes())} of memory; {_gib(free)} are free. Lower --context or --rows"
        )
    return engine


def checked(folder: Path) -> None:
    """Raises `FileNotFoundError` if the folder is no model's."""
    if not folder.is_dir():
        built_here = folder.absolute().parent == MODELS
        advice = "build it with `make reproduce`, or fetch it with `lemur pull`" if built_here else "is the path right?"
        raise FileNotFoundError(f"{folder}: no such folder; {advice}")
    if not (folder / "config.json").is_file():
        raise FileNotFoundError(f"{folder} has no config.json, so it is not a model folder in Hugging Face's layout")
    if not any((folder / name).is_file() for name in ("tokenizer.json", "tokenizer.model")):
        raise FileNotFoundError(f"{folder} has no tokenizer.json, which a model folder needs; copy the model's into it")


def _gib(size: float) -> str:
    return f"{size / 2**30:.1f} GiB"
