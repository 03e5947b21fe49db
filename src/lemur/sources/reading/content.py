"""The decompressed bytes of a source's file."""

import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from lemur.core.files import refuse_utf_16
from lemur.sources.fetched import DamagedFile, FetchedFile


def _zstd(path: Path) -> Any:
    import pyarrow

    return pyarrow.CompressedInputStream(pyarrow.OSFile(str(path)), "zstd")


_DECOMPRESSORS: dict[str, Callable[[Path], Any]] = {
    ".gz": gzip.open,
    ".bz2": bz2.open,
    ".xz": lzma.open,
    ".zst": _zstd,
}


def uncompressed_name(name: str) -> str:
    """`name` without its compression suffix; the rest gives the format."""
    return name.removesuffix(_compression(name))


def open_content(file: FetchedFile) -> BinaryIO:
    """The decompressed content. Raises `DamagedFile`, also while reading: the compressed data is damaged or
    truncated, or a byte order mark announces UTF-16 or UTF-32."""
    ending = _compression(file.name)
    content = (
        io.BufferedReader(_Decompressed(_DECOMPRESSORS[ending](file.path), file.path))
        if ending and file.path.stat().st_size  # an empty file has no content, compressed or not
        else file.path.open("rb")
    )
    try:
        refuse_utf_16(file.path, content.peek(4)[:4])
    except ValueError as error:
        content.close()
        raise DamagedFile(str(error)) from None
    return content


def _compression(name: str) -> str:
    ending = Path(name).suffix
    return ending if ending in _DECOMPRESSORS else ""


class _Decompressed(io.RawIOBase):
    """The output of a decompressor, whose errors become `DamagedFile`."""

    def __init__(self, stream: Any, path: Path) -> None:
        self._stream, self._path, self._read = stream, path, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer)
        try:
            data = self._stream.read(len(view))
        except (EOFError, OSError, zlib.error, lzma.LZMAError) as error:
            raise DamagedFile(
                f"{self._path}: cut off or damaged after byte {self._read} of its decompressed content ({error}); "
                "fetch it again"
            ) from None
        view[: len(data)] = data
        self._read += len(data)
        return len(data)

    def tell(self) -> int:
        return self._read

    def close(self) -> None:
        self._stream.close()
        super().close()
