"""Leaves of params.yaml and environment.yaml: other values for them, and the stages that dvc.yaml says read them."""

import copy
from collections.abc import Iterator
from typing import Any

import yaml
from pydantic import BaseModel


def another(value: Any) -> Any:
    """A value of the same type, or of some type for null, that differs; not always one that the stage allows."""
    return next(_others(value))


def _others(value: Any) -> Iterator[Any]:
    match value:
        case bool():
            yield not value
        case int():
            yield from (value + 1, value - 1, value * 2, value // 2)
        case float():
            yield from (value / 2, value * 2) if value else (0.5,)
        case str():
            yield f"{value}x"
        case list():
            yield from (value[:-1] if value else ["x"], [*value, *value])
        case dict():
            yield {"x": 1}
        case None:
            yield from (1, 1.0, "x")


def valid(model: type[BaseModel], block: dict[str, Any], leaf: str) -> Any:
    """Another value for a leaf that the stage's model allows with the rest of the block, else `LookupError`."""
    value = block
    for key in leaf.split("."):
        value = value[key]
    for other in [*_others(value), *_choices(model.model_json_schema())]:
        changed = replaced(block, leaf, other)
        if other != value and changed != block:
            try:
                model.model_validate(changed)
            except ValueError:
                continue
            return other
    raise LookupError(leaf)


def _choices(schema: Any) -> Iterator[Any]:
    """Every value that a schema lists for any of its fields."""
    if isinstance(schema, dict):
        yield from schema.get("enum", [])
        for value in schema.values():
            yield from _choices(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _choices(value)


def replaced(tree: dict[str, Any], leaf: str, value: Any) -> dict[str, Any]:
    """A copy of nested mappings in which the leaf at a dotted key has another value, or is new."""
    tree = copy.deepcopy(tree)
    *parents, last = leaf.split(".")
    branch = tree
    for key in parents:
        branch = branch[key]
    branch[last] = value
    return tree


def written(tree: dict[str, Any]) -> str:
    """As YAML, in the order of the mappings."""
    return yaml.dump(tree, Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper), sort_keys=False)


def declaring(dag: dict[str, Any], file: str, leaf: str) -> set[str]:
    """The stages of dvc.yaml, as `fetch@stack`, whose params name a leaf of a file or something above it."""
    found = set()
    for name, stage, (axis, item) in expanded(dag):
        keys = [key.replace(f"${{item.{axis}}}", item) for entry in stage["params"] for key in _keys(entry, file)]
        if any(key in ("", leaf) or leaf.startswith(f"{key}.") for key in keys):
            found.add(name)
    return found


def expanded(dag: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any], tuple[str, str]]]:
    """Every stage of dvc.yaml by name, as `fetch@stack`, with its entry, axis and item of its matrix."""
    for name, stage in dag["stages"].items():
        [(axis, items)] = stage.get("matrix", {"": [""]}).items()
        for item in items:
            yield f"{name}@{item}" if axis else name, stage, (axis, str(item))


def _keys(entry: str | dict[str, list[str] | None], file: str) -> list[str]:
    if isinstance(entry, str):
        return [entry] if file == "params.yaml" else []
    return (entry[file] or [""]) if file in entry else []
