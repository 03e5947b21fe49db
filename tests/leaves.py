"""Leaves of params.yaml and environment.yaml: different values for them, and the stages that read them (dvc.yaml)."""

import copy
from collections.abc import Iterator
from typing import Any

import yaml
from pydantic import BaseModel

from lemur.core.files import PARAMS, read_yaml


def different_value(value: Any) -> Any:
    """A different value of the same type, or of any type for null; not always one that the stage allows."""
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


def valid_value(model: type[BaseModel], block: dict[str, Any], leaf: str) -> Any:
    """A different value for a leaf that the stage's model allows in this block, else raises `LookupError`."""
    value = block
    for key in leaf.split("."):
        value = value[key]
    for other in [*_others(value), *_choices(model.model_json_schema())]:
        changed = with_value(block, leaf, other)
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


def with_value(tree: dict[str, Any], leaf: str, value: Any) -> dict[str, Any]:
    """A copy of nested mappings with this value at a dotted key, which may be new."""
    tree = copy.deepcopy(tree)
    *parents, last = leaf.split(".")
    branch = tree
    for key in parents:
        branch = branch[key]
    branch[last] = value
    return tree


def to_yaml(tree: dict[str, Any]) -> str:
    """The YAML text, in the order of the mappings."""
    return yaml.dump(tree, Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper), sort_keys=False)


def declaring_stages(dag: dict[str, Any], file: str, leaf: str) -> set[str]:
    """The stages of dvc.yaml, such as `fetch@stack`, whose params name a leaf of a file or a key above it."""
    names = set()
    for name, stage, (axis, item) in expand_matrix(dag):
        keys = [key.replace(f"${{item.{axis}}}", item) for entry in stage["params"] for key in _keys(entry, file)]
        if any(key in ("", leaf) or leaf.startswith(f"{key}.") for key in keys):
            names.add(name)
    return names


def expand_matrix(dag: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any], tuple[str, str]]]:
    """Every stage of dvc.yaml by name, such as `fetch@stack`, with its entry and the axis and item of its matrix."""
    for name, stage in dag["stages"].items():
        [(axis, items)] = stage.get("matrix", {"": [""]}).items()
        if isinstance(items, str):  # ${fetch}: the keys of that block of params.yaml
            items = read_yaml(PARAMS)[items.removeprefix("${").removesuffix("}")]
        for item in items:
            yield f"{name}@{item}" if axis else name, stage, (axis, str(item))


def _keys(entry: str | dict[str, list[str] | None], file: str) -> list[str]:
    if isinstance(entry, str):
        return [entry] if file == "params.yaml" else []
    return (entry[file] or [""]) if file in entry else []
