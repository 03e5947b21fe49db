"""Validates params.yaml and environment.yaml: the Snakefile checks them as a whole, each stage checks its own block."""

from collections.abc import Collection
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import BaseModel, ValidationError

from lemur.core.files import ENVIRONMENT, PARAMS, flatten, read_yaml
from lemur.core.parameter_blocks import merged_blocks, own_blocks, shared_blocks
from lemur.core.params import StageParams


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
        blocks = written or {key: values}
        lines = [
            _explain(_block_with(blocks, key, problem["loc"]), problem, module.Params) for problem in error.errors()
        ]
        raise SystemExit("\n".join(lines)) from None


def _block_with(blocks: dict[str, Any], key: str, location: tuple[int | str, ...]) -> str:
    """The name of the block that contains the value at a location; `key` if none does."""
    for name, value in blocks.items():
        for part in location:
            if not isinstance(value, dict) or part not in value:
                break
            value = value[part]
        else:
            return name
    return key


def _explain(key: str, problem: Any, model: type[BaseModel]) -> str:
    path = ".".join([key, *map(str, problem["loc"])])
    if problem["type"] == "extra_forbidden":
        return f"params.yaml: {path}: unknown key; allowed here: {', '.join(model.model_fields)}"
    if problem["type"] == "missing":
        return f"params.yaml: {path}: missing; `git diff params.yaml` shows what was removed"
    value = "" if isinstance(problem["input"], dict) else f"found {problem['input']!r}; "
    return f"params.yaml: {path}: {value}{problem['msg'].removeprefix('Value error, ')}"


def validate_all(dag: dict[str, Any]) -> int:
    """Check all of params.yaml: every block that a stage of dvc.yaml reads is valid, and a stage reads every key.

    Returns the number of blocks. Raises `SystemExit` that lists every problem.
    """
    tree = read_yaml(PARAMS) or {}
    stages = own_blocks(tree, dag)
    blocks = {*stages, *(name for names in shared_blocks(dag).values() for name in names)}
    problems = []
    for key, dotted in sorted(stages.items()):
        try:
            params = stage_params(stage_module(dotted), key, tree, dag)
            problems += _unknown_sources(key, params, tree.get("fetch", {}))
        except SystemExit as error:
            problems += str(error).split("\n")
    problems += [
        f"params.yaml: {key}: no stage reads this key; allowed: {', '.join(sorted(blocks))}"
        for key in sorted(_unread_keys(tree, blocks))
    ]
    if problems:
        raise SystemExit("\n".join(dict.fromkeys(problems)))  # report a shared value once, not for every stage
    return len(blocks)


def _unknown_sources(key: str, params: StageParams, fetched: Collection[str]) -> list[str]:
    """A misspelt source would be left out without a word."""
    return [
        f"params.yaml: {key}.sources: found {name!r}; the sources in `fetch` are allowed: {', '.join(fetched)}"
        for name in getattr(params, "sources", ())
        if name not in fetched
    ]


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
