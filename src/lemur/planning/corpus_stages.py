"""The stages between raw documents and packed tokens, in the order in which they run."""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from lemur.core.files import DAG, read_yaml
from lemur.core.parameter_blocks import bindings, declared_blocks, stage_of, variants

Amount = Literal["raw_bytes", "kept_bytes", "source_tokens", "tokens"]
MODEL = "lemur"  # the mixture that is planned


@dataclass(frozen=True)
class Stage:
    name: str
    amount: Amount
    """What its time grows with, by source: bytes of UTF-8 text or tokens that go in, in units of 10^6."""
    serial: str
    """What its first process alone does."""
    has_jobs: bool = True
    """Whether workers do jobs, on any machine, and the first process's time grows with their number alone. Else it does
    everything, and its time grows with `amount`."""


STAGES = (
    Stage("clean_corpus", "raw_bytes", "lists the files, adds up counts, chooses the sample of a limited source"),
    Stage("dedup_corpus", "raw_bytes", "joins pairs to clusters; planted copies (start)"),
    Stage("decontaminate_corpus", "raw_bytes", "makes the index of benchmarks (start), adds up counts"),
    Stage("split_corpus", "kept_bytes", "chooses what to hold out among the candidates of all shards"),
    Stage("tokenize_corpus", "kept_bytes", "adds up counts, writes the manifest"),
    Stage("mix_corpus", "source_tokens", "everything: draws the documents of each source's last epoch", has_jobs=False),
    Stage("pack_corpus", "tokens", "lists the windows, adds up counts, writes the manifest"),
)


def entry(name: str) -> dict[str, Any]:
    """The stage's entry in dvc.yaml, for `MODEL`, with its command's matrix variable filled in."""
    found: dict[str, Any] = read_yaml(DAG)["stages"][name]
    return {**found, "cmd": _for_model(found, found["cmd"])}


def own_block(name: str) -> str:
    """The dotted key of the stage's own block in params.yaml."""
    found = read_yaml(DAG)["stages"][name]
    return _for_model(found, declared_blocks(found)[1])


def paths(name: str, folder: Path) -> dict[str, Path]:
    """The stage's inputs and outputs by argument, as its command names them, in `folder` instead of the checkout."""
    return {argument: folder / path for argument, path in bindings(entry(name)["cmd"]).items()}


def call(name: str, folder: Path, blocks: Mapping[str, Any]) -> None:
    """Run a stage in this process, on paths in `folder`, with its block of `blocks` (`scales.blocks`)."""
    block: Any = blocks
    for key in own_block(name).split("."):
        block = block[key]
    module, found, all_paths = _module(name), entry(name), paths(name, folder)
    inputs: list[Path | list[Path]] = []
    for parameter in _parameters(name):
        path = all_paths[parameter.name]
        if parameter.annotation == list[Path]:
            inputs.append([folder / dep for dep in found["deps"] if path in (folder / dep).parents])
        elif parameter.kind is not parameter.KEYWORD_ONLY:
            inputs.append(path)
    kept = {parameter.name: all_paths[parameter.name] for parameter in _outputs(name)}
    getattr(module, name)(module.Params.model_validate(block or {}), *inputs, **kept)


def outputs(name: str, folder: Path) -> list[Path]:
    return [paths(name, folder)[parameter.name] for parameter in _outputs(name)]


def _module(name: str) -> ModuleType:
    return import_module(f"lemur.{stage_of(entry(name)['cmd'])}")


def _parameters(name: str) -> list[inspect.Parameter]:
    return list(inspect.signature(getattr(_module(name), name)).parameters.values())[1:]


def _outputs(name: str) -> list[inspect.Parameter]:
    return [parameter for parameter in _parameters(name) if parameter.kind is parameter.KEYWORD_ONLY]


def _for_model(found: dict[str, Any], text: str) -> str:
    for variable, value in variants(found, {}):
        if value == MODEL:
            text = text.replace(variable, value)
    return text
