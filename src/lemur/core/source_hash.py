"""What tells whether code changed since something was computed by it."""

import hashlib
from collections.abc import Iterable
from pathlib import Path


def source_hash(folder: Path, paths: Iterable[Path]) -> str:
    """The hash of these files in `folder`, names and contents, in any order."""
    digest = hashlib.sha256()
    for path in sorted(set(paths)):
        digest.update(f"{path.relative_to(folder).as_posix()}\0".encode() + path.read_bytes())
    return digest.hexdigest()
