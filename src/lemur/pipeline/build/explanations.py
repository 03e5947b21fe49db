"""What is wrong in params.yaml, in words: file, line, key, what was found, what is allowed."""

import re
from collections.abc import Collection
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

KEY = "[key]"  # pydantic's mark for a fault in a mapping's key


def explanations(error: ValidationError, key: str, blocks: dict[str, Any], model: type[BaseModel]) -> list[str]:
    """A line for each problem in the values of `model` that the blocks of params.yaml give, highest priority first;
    `key`: the stage's own block."""
    return [_explain(_block_with(blocks, key, problem["loc"]), problem, model) for problem in error.errors()]


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
    path = ".".join([key, *(str(part) for part in problem["loc"] if part != KEY)])
    if problem["type"] == "extra_forbidden":
        fields = _fields_at(model, problem["loc"])
        return f"params.yaml: {path}: unknown key{did_you_mean(path, fields)}; allowed here: {', '.join(fields)}"
    if problem["type"] == "missing":
        return f"params.yaml: {path}: missing; `git diff params.yaml` shows what was removed"
    return f"params.yaml: {path}: {wrong_value(problem)}"


def wrong_value(problem: Any) -> str:
    """What was found and what is allowed, of a problem of pydantic's."""
    value = "" if isinstance(problem["input"], dict) else f"found {problem['input']!r}"
    if value and problem["type"] == "literal_error":
        value += did_you_mean(str(problem["input"]), re.findall("'([^']*)'", problem["msg"]))
    value += "; " if value else ""
    return value + str(problem["msg"]).removeprefix("Value error, ")


def _fields_at(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    """The fields of the model in which the last part of a location is."""
    for part in location[:-1]:
        annotation = model.model_fields[str(part)].annotation if str(part) in model.model_fields else None
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            break
        model = annotation
    return list(model.model_fields)


def did_you_mean(path: str, allowed: Collection[str]) -> str:
    """`, did you mean NAME?`, or nothing if no name is close to the last part of a dotted key."""
    close = get_close_matches(path.rpartition(".")[2], allowed, n=1)
    return f", did you mean {close[0]}?" if close else ""


def with_lines(problems: list[str], path: Path) -> list[str]:
    """`params.yaml:12: KEY: ...` for each `params.yaml: KEY: ...`, if that is the file at `path`. An absent key has the
    line of its block."""
    lines = _lines(yaml.compose(path.read_bytes(), Loader=yaml.SafeLoader)) if problems else {}
    located = []
    for problem in problems:
        file, _, rest = problem.partition(": ")
        key = rest.partition(": ")[0]
        while key and key not in lines:
            key = key.rpartition(".")[0]
        located.append(f"{file}:{lines[key]}: {rest}" if file == path.name and key else problem)
    return located


def _lines(node: yaml.Node | None, prefix: str = "") -> dict[str, int]:
    """The line of each key of a YAML document, by dotted key."""
    lines = {}
    for key, value in node.value if isinstance(node, yaml.MappingNode) else ():
        lines[f"{prefix}{key.value}"] = key.start_mark.line + 1
        lines |= _lines(value, f"{prefix}{key.value}.")
    return lines
