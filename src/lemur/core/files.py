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


_MARKS = {b"\xff\xfe\0\0": "UTF-32", b"\0\0\xfe\xff": "UTF-32", b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}


def refuse_utf_16(path: Path, start: bytes) -> None:
    """Raises `ValueError` if `start`, a file's first four bytes, is the byte order mark of another encoding."""
    for mark, encoding in _MARKS.items():
        if start.startswith(mark):
            raise ValueError(
                f"{path}: byte 0: the byte order mark of {encoding}; only UTF-8 is read: convert the file "
                f"(iconv -f {encoding} -t UTF-8)"
            )


def read_text(path: Path) -> str:
    """The text of a UTF-8 file without its byte order mark. Raises `ValueError` with file and byte for all else."""
    data = path.read_bytes()
    refuse_utf_16(path, data[:4])
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: byte {error.start} is not UTF-8 ({error.reason})") from None


def flatten(tree: Any, prefix: str = "") -> dict[str, Any]:
    """Leaves by dotted key. A list is one leaf, as in DVC; so is an empty mapping."""
    if not isinstance(tree, dict) or (prefix and not tree):
        return {prefix: tree}
    leaves: dict[str, Any] = {}
    for key, value in tree.items():
        leaves.update(flatten(value, f"{prefix}.{key}" if prefix else str(key)))
    return leaves
