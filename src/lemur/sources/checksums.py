"""Checksums of files and of sets of files, and a copy that computes the checksum as it goes."""

import errno
import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from lemur.sources.manifest import SourceError

CHUNK = 1 << 20


class Readable(Protocol):
    def read(self, count: int, /) -> bytes: ...


def copy(file: Readable, target: Path) -> tuple[str, int]:
    """Write a stream to `target`; return its sha256 and its size in bytes. Raises `SourceError` if reading or writing
    fails, for example because the disk is full."""
    target.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    size = 0
    try:
        with target.open("xb") as out:
            while chunk := file.read(CHUNK):
                digest.update(chunk)
                out.write(chunk)
                size += len(chunk)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise SourceError(f"disk full after {size} bytes of {target}; free some space and run again") from error
        raise SourceError(f"{target}: {error.strerror or error} after {size} bytes; run again") from error
    return digest.hexdigest(), size


def of_stream(file: Readable) -> str:
    digest = hashlib.sha256()
    while chunk := file.read(CHUNK):
        digest.update(chunk)
    return digest.hexdigest()


def of_set(checksums: Iterable[tuple[str, str]]) -> str:
    """Checksum of (path, sha256) pairs: the sha256 of the output of `sha256sum` for the files in path order."""
    lines = "".join(f"{sha256}  {path}\n" for path, sha256 in sorted(checksums))
    return hashlib.sha256(lines.encode()).hexdigest()
