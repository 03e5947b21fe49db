"""Validates params.yaml and environment.yaml: the Snakefile checks them as a whole, each stage checks its own block."""

from collections.abc import Collection, Mapping
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import ValidationError

from lemur.core.files import ENVIRONMENT, PARAMS, ROOT, flatten, read_yaml
from lemur.core.parameter_blocks import merged_blocks, own_blocks, shared_blocks
from lemur.core.params import StageParams
from lemur.pipeline.build.explanations import did_you_mean, explanations, with_lines


def stage_module(dotted: str) -> ModuleType:
    """The module `lemur.FOLDER.STAGE` of a stage that dvc.yaml's commands name `FOLDER.STAGE`.

    Raises `SystemExit` if there is none.
    """
    name = f"lemur.{dotted}"
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if f"{name}.".startswith(f"{error.name}."):
            raise SystemExit(f"no stage {dotted!r}: a stage FOLDER.STAGE is src/lemur/FOLDER/STAGE.py") from None
        raise


def block(tree: Any, key: str) -> Any:
    """The block of params.yaml at a dotted key. Raises `SystemExit` if it is missing."""
    for part in key.split("."):
        if not isinstance(tree, dict) or part not in tree:
            raise SystemExit(f"params.yaml: {key}: this block is missing; dvc.yaml shows which stage reads it")
        tree = tree[part]
    return tree


def stage_params(module: ModuleType, key: str, tree: dict[str, Any], dag: dict[str, Any]) -> StageParams:
    """The `Params` of the stage whose own block in params.yaml is `key`, with the values of the blocks it shares.

    Raises `SystemExit` with the full key, the value and what is allowed.
    """
    names = [key, *reversed(shared_blocks(dag).get(key, []))]
    own = block(tree, key)
    values = block(merged_blocks(tree, dag), key) if len(names) > 1 else own
    return validate(module, key, values, {name: block(tree, name) for name in names})


def validate(module: ModuleType, key: str, values: Any, written: dict[str, Any] | None = None) -> StageParams:
    """`values` as the stage's `Params`. `written`: the blocks the values come from, by name, highest priority first."""
    try:
        return module.Params.model_validate(values if values is not None else {})
    except ValidationError as error:
        lines = explanations(error, key, written or {key: values}, module.Params)
        raise SystemExit("\n".join(with_lines(lines, PARAMS) if written else lines)) from None


def validate_all(dag: dict[str, Any]) -> int:
    """Check all of params.yaml: every block that a stage of dvc.yaml reads is valid, and a stage reads every key.

    Returns the number of blocks. Raises `SystemExit` that lists every problem.
    """
    tree = read_yaml(PARAMS) or {}
    stages = own_blocks(tree, dag)
    blocks = {*stages, *(name for names in shared_blocks(dag).values() for name in names)}
    problems, others = [], []
    valid: dict[str, StageParams] = {}
    for key, dotted in sorted(stages.items()):
        try:
            valid[key] = stage_params(stage_module(dotted), key, tree, dag)
            others += _unknown_names(key, valid[key], tree.get("fetch", {}))
        except SystemExit as error:
            problems += str(error).split("\n")
    others += [
        f"params.yaml: {key}: no stage reads this key{did_you_mean(key, blocks)}; allowed: {', '.join(sorted(blocks))}"
        for key in sorted(_unread_keys(tree, blocks))
    ]
    if problems := [*problems, *with_lines(others + model_problems(valid), PARAMS)]:
        raise SystemExit("\n".join(dict.fromkeys(problems)))  # report a shared value once, not for every stage
    return len(blocks)


def model_problems(valid: Mapping[str, StageParams]) -> list[str]:
    """What does not fit the shape of a base model from scratch: meshes of the trainings after it, long sequences. An
    imported model is known only when it is fetched, so its trainings check it."""
    if "base_model" not in valid:
        return []
    from lemur.training.base_model import Params
    from lemur.training.params import TrainingParams, mesh_problems

    base = valid["base_model"]
    if not isinstance(base, Params) or base.init != "scratch":
        return []
    problems = [
        f"params.yaml: {key}: {problem}"
        for key in ("continued_pretraining", "instruction_tuning")
        if isinstance(training := valid.get(key), TrainingParams)
        for problem in mesh_problems(training.mesh, base.model)
    ]
    context = base.model.max_position_embeddings
    return problems + [
        f"params.yaml: {key}.sequence_length: found {length}; base_model.model.max_position_embeddings allows {context}"
        for key in ("pack_corpus", "encode_instructions")
        if (length := getattr(valid.get(key), "sequence_length", 0)) > context
    ]


def _unknown_names(key: str, params: StageParams, fetched: Collection[str]) -> list[str]:
    """Misspelt sources would be left out without a word; the action for a misspelt benchmark would do nothing."""
    allowed = {"sources": set(fetched), "benchmarks": _benchmarks(fetched) if hasattr(params, "benchmarks") else set()}
    return [
        f"params.yaml: {key}.{field}: found {name!r}{did_you_mean(name, names)}; allowed: {', '.join(sorted(names))}"
        for field, names in allowed.items()
        for name in getattr(params, field, ())
        if name not in names
    ]


def _benchmarks(fetched: Collection[str]) -> set[str]:
    """The names under which the fetched sources' files can be compared with training data."""
    manifests = [read_yaml(ROOT / f"data/sources/{name}/manifest.yaml") for name in fetched]
    files = [file for manifest in manifests for place in manifest["places"].values() for file in place.get("files", [])]
    named = {str(file["meta"]["benchmark"]) for file in files if "benchmark" in file.get("meta", {})}
    return named | {manifest["name"] for manifest in manifests if manifest.get("kind") == "benchmark"}


def _unread_keys(tree: dict[str, Any], blocks: set[str], prefix: str = "") -> list[str]:
    unread = []
    for key, value in tree.items():
        path = f"{prefix}{key}"
        if path in blocks:
            continue
        if isinstance(value, dict) and any(block.startswith(f"{path}.") for block in blocks):
            unread += _unread_keys(value, blocks, f"{path}.")
        else:
            unread.append(path)
    return unread


def environment_keys(stage: dict[str, Any]) -> list[str]:
    """The keys of environment.yaml that a stage of dvc.yaml declares."""
    files = [entry for entry in stage.get("params", []) if isinstance(entry, dict)]
    return [key for entry in files for key in entry.get("environment.yaml") or []]


def check_environment(dag: dict[str, Any], environment: Path = ENVIRONMENT) -> None:
    """Raise `SystemExit` that names the leaves of environment.yaml that no stage of dvc.yaml declares."""
    declared = {key for stage in dag["stages"].values() for key in environment_keys(stage)}
    leaves = {leaf for leaf, value in flatten(read_yaml(environment)).items() if value != {}}
    unread = sorted(leaf for leaf in leaves if not any(leaf == key or leaf.startswith(f"{key}.") for key in declared))
    if unread:
        raise SystemExit(
            "\n".join(f"environment.yaml: {leaf}: no stage of dvc.yaml declares this key" for leaf in unread)
            + "\nRemove it, or run `lemur dependencies --write` to declare it for the code that imports the library."
        )
