"""Files that are written whole or not at all, the hash of a file, and how to tell that a disk is full."""

import errno
import hashlib
from pathlib import Path

# Libraries wrap the system's error in their own (safetensors, tensorstore), with its message.
_MESSAGES = ("No space left on device", "Disk quota exceeded")


def is_full(error: BaseException) -> bool:
    """Whether an error says that the disk, or the user's quota of it, is full."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    return any(message in str(error) for message in _MESSAGES)


def replace_text(path: Path, text: str) -> None:
    """Write `text` to `path` as UTF-8. If that fails, the old file stays and nothing else does."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    except OSError:
        partial.unlink(missing_ok=True)
        raise


def file_md5(file: Path) -> str:
    """The MD5 of a file, read in parts."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
