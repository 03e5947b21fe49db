"""Checks params.yaml and environment.yaml at the edge: by the Snakefile as a whole, by each stage its own block."""

from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import BaseModel, ValidationError

from lemur.core.files import ENVIRONMENT, PARAMS, flatten, read_yaml
from lemur.core.params import StageParams


def stage_module(dotted: str) -> ModuleType:
    """The module `lemur.FOLDER.STAGE` of a stage named `FOLDER.STAGE`, as commands in dvc.yaml name it.

    Raises `SystemExit` where there is none.
    """
    name = f"lemur.{dotted}"
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if f"{name}.".startswith(f"{error.name}."):
            raise SystemExit(f"no stage {dotted!r}: a stage FOLDER.STAGE is src/lemur/FOLDER/STAGE.py") from None
        raise


def block(tree: Any, key: str) -> Any:
    """The block of params.yaml at a dotted key. Raises `SystemExit` where it is missing."""
    for part in key.split("."):
        if not isinstance(tree, dict) or part not in tree:
            raise SystemExit(f"params.yaml: {key}: this block is missing; the stage that reads it is in dvc.yaml")
        tree = tree[part]
    return tree


def validate(module: ModuleType, key: str, values: Any) -> StageParams:
    """The block `key` as the stage's `Params`. Raises `SystemExit` with full key, what was found, what is allowed."""
    try:
        return module.Params.model_validate(values if values is not None else {})
    except ValidationError as error:
        raise SystemExit("\n".join(_explain(key, problem, module.Params) for problem in error.errors())) from None


def _explain(key: str, problem: Any, model: type[BaseModel]) -> str:
    path = ".".join([key, *map(str, problem["loc"])])
    if problem["type"] == "extra_forbidden":
        return f"params.yaml: {path}: unknown key; allowed here: {', '.join(model.model_fields)}"
    if problem["type"] == "missing":
        return f"params.yaml: {path}: missing; `git diff params.yaml` shows what was removed"
    found = "" if isinstance(problem["input"], dict) else f"found {problem['input']!r}; "
    return f"params.yaml: {path}: {found}{problem['msg'].removeprefix('Value error, ')}"


def validate_all(stages: dict[str, str]) -> None:
    """Check params.yaml as a whole: every block that a stage reads, and no key that none reads.

    `stages` maps each block's dotted key to the stage's module, as `lemur.pipeline.build.dag.param_blocks` gives it.
    Raises `SystemExit` that lists every problem.
    """
    tree = read_yaml(PARAMS) or {}
    problems = []
    for key, dotted in sorted(stages.items()):
        try:
            validate(stage_module(dotted), key, block(tree, key))
        except SystemExit as error:
            problems.append(str(error))
    problems += [
        f"params.yaml: {key}: no stage reads this key; known: {', '.join(sorted(stages))}"
        for key in sorted(_unread(tree, set(stages)))
    ]
    if problems:
        raise SystemExit("\n".join(problems))


def _unread(tree: dict[str, Any], known: set[str], prefix: str = "") -> list[str]:
    found = []
    for key, value in tree.items():
        path = f"{prefix}{key}"
        if path in known:
            continue
        if isinstance(value, dict) and any(other.startswith(f"{path}.") for other in known):
            found += _unread(value, known, f"{path}.")
        else:
            found.append(path)
    return found


def environment_keys(stage: dict[str, Any]) -> list[str]:
    """Keys of environment.yaml that a stage of dvc.yaml declares."""
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
            + "\nRemove it, or let `lemur dependencies --write` declare it where code imports the library."
        )
