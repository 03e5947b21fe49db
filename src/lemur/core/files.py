"""Paths of the pipeline's own files, and how to read them."""

from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[3]
DAG = ROOT / "dvc.yaml"
PARAMS = ROOT / "params.yaml"
ENVIRONMENT = ROOT / "environment.yaml"
SCALES = ROOT / "scales"
PACKAGE = ROOT / "src" / "lemur"


def read_yaml(path: Path) -> Any:
    """A YAML file as plain data. Raises `SystemExit` with file, line and column if it is not valid YAML."""
    try:
        with path.open("rb") as file:
            return yaml.load(file, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except FileNotFoundError:
        raise SystemExit(f"{path.name} is missing; `git checkout {path.name}` brings it back") from None
    except yaml.YAMLError as error:
        raise SystemExit(f"{path.name} is not valid YAML: {error}") from None


def flatten(tree: Any, prefix: str = "") -> dict[str, Any]:
    """Leaves by dotted key. A list is one leaf, as in DVC; so is an empty mapping."""
    if not isinstance(tree, dict) or (prefix and not tree):
        return {prefix: tree}
    leaves: dict[str, Any] = {}
    for key, value in tree.items():
        leaves.update(flatten(value, f"{prefix}.{key}" if prefix else str(key)))
    return leaves
