"""Tokenised sources: for each shard of documents a flat array of token ids and the borders of its documents.

`<source>-<number>.npy`: ids, uint16 or uint32 [tokens], the shard's documents in order, each with its begin and end
marker. `<source>-<number>.borders.npy`: int64 [documents + 1]; document d is ids[borders[d]:borders[d + 1]].
`manifest.json`: vocab_size, begin, end (marker ids or null), order of the sources, and of each source its documents,
tokens, shards and fingerprint.
"""

import hashlib
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from mmap import ACCESS_READ, MADV_RANDOM, mmap
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.lib import format as npy

from lemur.core.records import Record, dump, read_json, write_json
from lemur.model.checksums import file_sha256
from lemur.tokens.shards import index_dtype

FORMAT = "lemur-token-store/2"
_HEADER_BYTES = 128  # of a .npy file with one dimension


class Documents(NamedTuple):
    """Document d is ids[first[d] : first[d] + length[d]]; ids as stored [tokens], the others int64 [documents]."""

    ids: np.ndarray
    first: np.ndarray
    length: np.ndarray


class TokenStore:
    """A folder that `write_shard` and `write_manifest` wrote. A source's documents are numbered through its shards.

    Files are open only while they are read, since a source may have thousands. Raises `ValueError` if the folder is not
    a token store, or a file is missing or has another size than the manifest says.
    """

    def __init__(self, folder: Path) -> None:
        self.manifest = read_manifest(folder)
        self.vocab_size: int = self.manifest["vocab_size"]
        self.sources: list[str] = list(self.manifest["order"])
        self._folder = folder
        self._dtype = _ids_dtype(self.vocab_size)
        for problem in file_problems(folder, self.manifest):
            raise ValueError(problem)

    def documents(self, source: str) -> int:
        count: int = self.manifest["sources"][source]["documents"]
        return count

    def lengths(self, source: str, documents: np.ndarray | None = None) -> np.ndarray:
        """The number of tokens of each of `documents`, or of all the source's, int64 [documents]. Raises `IndexError`
        for one that the source does not have."""
        documents = np.arange(self.documents(source)) if documents is None else documents
        lengths = np.empty(len(documents), np.int64)
        for name, places, numbers in self._by_shard(source, documents):
            borders = self.borders(name)
            lengths[places] = borders[numbers + 1] - borders[numbers]
        return lengths

    def read(self, source: str, documents: np.ndarray) -> Documents:
        """`documents`, by their numbers, in memory. Raises as `lengths`."""
        first, length = np.empty((2, len(documents)), np.int64)
        parts = [np.empty(0, self._dtype)]
        read = 0
        for name, places, numbers in self._by_shard(source, documents):
            borders, ids = self.borders(name), self.ids(name)
            begin, end = borders[numbers], borders[numbers + 1]
            length[places] = end - begin
            ends = read + np.cumsum(length[places])
            first[places] = ends - length[places]
            read = int(ends[-1])
            # A copy, because a mapping keeps its file open and its pages in memory.
            parts.append(np.concatenate([ids[b:e] for b, e in zip(begin.tolist(), end.tolist(), strict=True)]))
        return Documents(np.concatenate(parts), first, length)

    def ids(self, shard: str) -> np.ndarray:
        """All ids of a shard, mapped."""
        return _map(self._folder / f"{shard}.npy", self._dtype)

    def borders(self, shard: str) -> np.ndarray:
        return _map(self._folder / f"{shard}.borders.npy", np.dtype("<i8"))

    def _by_shard(self, source: str, documents: np.ndarray) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
        """(name, places in `documents`, numbers in the shard, rising) for each shard that has some of `documents`."""
        shards = self.manifest["sources"][source]["shards"]
        first = np.cumsum([0, *(shard["documents"] for shard in shards)])
        if documents.size and not 0 <= documents.min() <= documents.max() < first[-1]:
            raise IndexError(
                f"{self._folder}: {source} has documents 0 to {first[-1] - 1}, not {documents.min()} to "
                f"{documents.max()}; a mixture of another store? run mix_corpus again"
            )
        order = np.argsort(documents, kind="stable")
        cuts = np.searchsorted(documents[order], first).tolist()
        for shard, before, (start, end) in zip(shards, first.tolist(), pairwise(cuts), strict=False):
            if start < end:
                yield shard["name"], order[start:end], documents[order[start:end]] - before


def read_manifest(folder: Path) -> Record:
    """Raises `ValueError` if the folder is not a token store."""
    path = folder / "manifest.json"
    manifest: Record = read_json(path) if path.is_file() else {}
    if manifest.get("format") != FORMAT:
        raise ValueError(f"{path}: {FORMAT!r} expected, found {manifest.get('format')!r}; run tokenize_corpus")
    return manifest


def file_problems(folder: Path, manifest: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with the sizes of a store's files."""
    size = _ids_dtype(manifest["vocab_size"]).itemsize
    for source in manifest["order"]:
        for shard in manifest["sources"][source]["shards"]:
            for name, content in (("npy", shard["tokens"] * size), ("borders.npy", 8 * (shard["documents"] + 1))):
                path = folder / f"{shard['name']}.{name}"
                if not path.is_file():
                    yield _damaged(path, "is missing")
                elif (found := path.stat().st_size) != _HEADER_BYTES + content:
                    yield _damaged(path, f"has {found} bytes; {_HEADER_BYTES + content} follow from manifest.json")


def write_shard(ids_path: Path, borders_path: Path, vocab_size: int, documents: Iterable[np.ndarray]) -> Record:
    """Write a shard's two arrays, one document at a time; returns its row of the manifest."""
    borders = array("q", [0])
    dtype = _ids_dtype(vocab_size)
    with ids_path.open("wb+") as file:
        _write_header(file, dtype, 0)
        for ids in documents:
            file.write(ids.astype(dtype, copy=False).data)
            borders.append(borders[-1] + len(ids))
        file.seek(0)
        # NumPy leaves room in the header for a longer first dimension, so the header keeps its size.
        _write_header(file, dtype, borders[-1])
    np.save(borders_path, np.frombuffer(borders, np.int64).astype("<i8"), allow_pickle=False)
    return {
        "name": ids_path.name.removesuffix(".npy"),
        "documents": len(borders) - 1,
        "tokens": borders[-1],
        "sha256": {"ids": file_sha256(ids_path), "borders": file_sha256(borders_path)},
    }


def write_manifest(
    folder: Path, vocab_size: int, begin: int | None, end: int | None, shards: Mapping[str, Sequence[Record]]
) -> None:
    """`shards`: by source, what `write_shard` returned of each. A source's fingerprint is a hash of its shards'
    hashes."""
    sources = {
        source: {
            "documents": sum(row["documents"] for row in rows),
            "tokens": sum(row["tokens"] for row in rows),
            "fingerprint": hashlib.sha256(dump([row["sha256"] for row in rows]).encode()).hexdigest(),
            "shards": list(rows),
        }
        for source, rows in shards.items()
    }
    manifest = {"format": FORMAT, "vocab_size": vocab_size, "begin": begin, "end": end}
    write_json(folder / "manifest.json", {**manifest, "order": list(sources), "sources": sources})


def _ids_dtype(vocab_size: int) -> np.dtype:
    return np.dtype(index_dtype(vocab_size)).newbyteorder("<")


def _write_header(file: Any, dtype: np.dtype, length: int) -> None:
    npy.write_array_header_1_0(file, {"descr": npy.dtype_to_descr(dtype), "fortran_order": False, "shape": (length,)})


def _map(path: Path, dtype: np.dtype) -> np.ndarray:
    with path.open("rb") as file:
        mapped = mmap(file.fileno(), 0, access=ACCESS_READ)
    mapped.madvise(MADV_RANDOM)  # else reading a document reads 128 KB around it
    return np.frombuffer(mapped, dtype, offset=_HEADER_BYTES)


def _damaged(path: Path, what: str) -> str:
    return f"{path} {what}; `dvc checkout --force` restores it, or run tokenize_corpus again"
