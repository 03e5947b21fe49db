"""Tokenised sources: each has a flat array of token ids and the borders of its documents.

`<source>.npy`: ids, uint16 or uint32 [tokens], all documents in order, each with its begin and end marker.
`<source>.borders.npy`: int64 [documents + 1]; document d is ids[borders[d]:borders[d + 1]].
`manifest.json`: vocab_size, begin, end (marker ids or null), sources: {name: {documents, tokens}}.
"""

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy

from lemur.core.records import read_json, write_json
from lemur.tokens.shards import index_dtype

FORMAT = "lemur-token-store/1"
_HEADER_BYTES = 128  # of a .npy file with one dimension


class TokenStore:
    """A folder that `write_source` and `write_manifest` wrote. Raises `ValueError` if it is not one."""

    def __init__(self, folder: Path) -> None:
        path = folder / "manifest.json"
        self.manifest: dict[str, Any] = read_json(path) if path.is_file() else {}
        if self.manifest.get("format") != FORMAT:
            raise ValueError(f"{path}: {FORMAT!r} expected, found {self.manifest.get('format')!r}; run tokenize_corpus")
        self.vocab_size: int = self.manifest["vocab_size"]
        self.sources: list[str] = list(self.manifest["order"])
        self._folder = folder

    def ids(self, source: str) -> np.ndarray:
        return _open(self._folder / f"{source}.npy")

    def reader(self, source: str) -> Callable[[int, int], np.ndarray]:
        """A function `read(start, count)` that returns a source's ids, read-only [count]. Unlike `ids` it maps no pages
        into memory."""
        path = self._folder / f"{source}.npy"
        file = path.open("rb")
        npy.read_magic(file)
        _, _, dtype = npy.read_array_header_1_0(file)
        header = file.tell()

        def read(start: int, count: int) -> np.ndarray:
            data = os.pread(file.fileno(), count * dtype.itemsize, header + start * dtype.itemsize)
            if len(data) != count * dtype.itemsize:
                raise ValueError(f"{path} ends before token {start + count}; `dvc checkout --force` restores it")
            return np.frombuffer(data, dtype)

        return read

    def borders(self, source: str) -> np.ndarray:
        return _open(self._folder / f"{source}.borders.npy")

    def lengths(self, source: str) -> np.ndarray:
        """The number of tokens of each document, int64 [documents]."""
        return np.diff(self.borders(source))


def write_source(folder: Path, source: str, vocab_size: int, documents: Iterable[np.ndarray]) -> tuple[int, int]:
    """Write a source's two arrays, one document at a time; returns the numbers of documents and tokens."""
    borders = [0]
    with (folder / f"{source}.npy").open("wb+") as file:
        dtype = np.dtype(index_dtype(vocab_size)).newbyteorder("<")
        _write_header(file, dtype, 0)
        for ids in documents:
            file.write(ids.astype(dtype).tobytes())
            borders.append(borders[-1] + len(ids))
        file.seek(0)
        # NumPy leaves room in the header for a longer first dimension, so the header keeps its size.
        _write_header(file, dtype, borders[-1])
    np.save(folder / f"{source}.borders.npy", np.array(borders, "<i8"), allow_pickle=False)
    return len(borders) - 1, borders[-1]


def write_manifest(
    folder: Path, vocab_size: int, begin: int | None, end: int | None, sources: dict[str, dict[str, int]]
) -> None:
    manifest = {"format": FORMAT, "vocab_size": vocab_size, "begin": begin, "end": end}
    write_json(folder / "manifest.json", {**manifest, "order": list(sources), "sources": sources})


def _write_header(file: Any, dtype: np.dtype, length: int) -> None:
    npy.write_array_header_1_0(file, {"descr": npy.dtype_to_descr(dtype), "fortran_order": False, "shape": (length,)})


def _open(path: Path) -> np.ndarray:
    # An empty array cannot be mapped.
    empty = path.stat().st_size <= _HEADER_BYTES
    array: np.ndarray = np.load(path, mmap_mode=None if empty else "r", allow_pickle=False)
    return array
