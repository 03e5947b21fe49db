"""Hashes of a model folder, computed without JAX."""

import hashlib
from functools import cache
from pathlib import Path


def sha256(folder: Path) -> str:
    """Hash of config and weights, which decide what the model computes."""
    digest = hashlib.sha256()
    for path in [folder / "config.json", *sorted(folder.glob("model*.safetensors"))]:
        digest.update(f"{path.name} {file_sha256(path)}\n".encode())
    return digest.hexdigest()


def file_sha256(path: Path) -> str:
    stat = path.stat()
    return _file_sha256(path.resolve(), stat.st_size, stat.st_mtime_ns)


@cache
def _file_sha256(path: Path, size: int, changed: int) -> str:
    """Hashed once for all evaluations of a model that one process looks at."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
