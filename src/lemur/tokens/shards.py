"""Token shards: fixed-length records of arrays in ArrayRecord files, with a manifest that describes and pins them.

A record is the bytes of its fields, little-endian, in the manifest's order. Records are written singly
(`group_size:1`), because a shuffled loader reads one at a time and would have to decode a whole larger group for it.
`zstd:1` writes records of 512 tokens twice as fast as `zstd:3`, and of 4,096 tokens 1.5 times; files are 2 to 3 %
larger, and are read as fast.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import numpy as np
from array_record.python.array_record_data_source import ArrayRecordDataSource
from array_record.python.array_record_module import ArrayRecordWriter

from lemur.core.records import dump, read_json, write_json
from lemur.model.checksums import file_sha256

FORMAT = "lemur-token-shards/2"
OPTIONS = "group_size:1,zstd:1"

_REPAIR = "`lemur validate` names the damaged file, `dvc checkout --force` restores it"

Arrays = dict[str, np.ndarray]


def index_dtype(size: int) -> str:
    """uint16 if it holds 0 to `size` - 1 (token ids of a vocabulary, positions), else uint32."""
    return "uint16" if size <= 1 << 16 else "uint32"


def token_fields(vocab_size: int, sequence_length: int) -> dict[str, str]:
    """Fields of a packed sequence and their dtypes.

    tokens: ids. segments: 1, 2, ... per document in the sequence, 0 = padding. positions: 0, 1, ... in each segment.
    sources: index into the manifest's `sources`. loss: 1 = this token is a target to learn.
    """
    return {
        "tokens": index_dtype(vocab_size),
        "segments": "uint16",
        "positions": index_dtype(sequence_length),
        "sources": "uint8",
        "loss": "uint8",
    }


@dataclass(frozen=True)
class Layout:
    """What the records of a folder of shards are made of. Raises `ValueError` for more than 256 sources."""

    sequence_length: int
    """L, the length of every field of every record."""
    vocab_size: int
    """Token ids are below it."""
    fields: Mapping[str, str]
    """Name -> unsigned dtype, in record order; see `token_fields`."""
    sources: Sequence[str]
    """Names that the field `sources` indexes, at most 256."""

    def __post_init__(self) -> None:
        if len(self.sources) > 256:
            raise ValueError(f"{len(self.sources)} sources; the field is uint8, so 256 are allowed")

    @property
    def dtype(self) -> np.dtype:
        """Of a record."""
        fields = [(name, np.dtype(dtype).newbyteorder("<")) for name, dtype in self.fields.items()]
        return np.dtype([(name, dtype, (self.sequence_length,)) for name, dtype in fields])

    def records(self, arrays: Mapping[str, np.ndarray]) -> np.ndarray:
        """Records [n], of `dtype`, from an array [n, L] for each field. Raises `ValueError` for what does not fit."""
        if set(arrays) != set(self.fields):
            raise ValueError(f"record has fields {sorted(arrays)}; the shards have {sorted(self.fields)}")
        records = np.empty(len(next(iter(arrays.values()))), self.dtype)
        limits = {"tokens": self.vocab_size, "sources": len(self.sources)}
        for name, dtype in self.fields.items():
            array, shape = np.asarray(arrays[name]), (len(records), self.sequence_length)
            if array.shape != shape:
                raise ValueError(f"field {name} has shape {array.shape}; {shape} is allowed")
            top = limits.get(name, np.iinfo(dtype).max + 1)
            if array.size and (array.min() < 0 or array.max() >= top):
                raise ValueError(f"field {name} holds {array.min()} to {array.max()}; 0 to {top - 1} is allowed")
            records[name] = array
        return records


class Shard(NamedTuple):
    """What the manifest says of a shard file, and what its totals are made of."""

    file: str
    records: int
    padding: int
    tokens: list[int]
    """By number of the source; zeros if the records name no sources."""
    content: str
    """SHA-256 of the records. Unlike the file's it does not depend on their compression."""
    sha256: str
    bytes: int


class ShardFile:
    """Writes one shard file; it is complete when `close` returns."""

    def __init__(self, path: Path, layout: Layout) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.layout = layout
        self.records = 0
        self._writer = ArrayRecordWriter(str(path), OPTIONS)
        self._content = hashlib.sha256()
        self._tokens = np.zeros(len(layout.sources), np.int64)
        self._padding = 0

    def write(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Append records: an array [n, L] for each field. Raises as `Layout.records`, and then appends nothing."""
        records = self.layout.records(arrays)
        data = records.tobytes()
        for start in range(0, len(data), records.itemsize):
            self._writer.write(data[start : start + records.itemsize])
        self._content.update(data)
        self.records += len(records)
        used = records["segments"] > 0 if "segments" in self.layout.fields else np.array(True)
        self._padding += int(np.count_nonzero(~used))
        if "sources" in self.layout.fields:
            sources = records["sources"].ravel() if used.all() else records["sources"][used]
            self._tokens += np.bincount(sources, minlength=len(self._tokens))

    def close(self) -> Shard:
        self._writer.close()
        content = self._content.hexdigest()
        size = self.path.stat().st_size
        return Shard(
            self.path.name, self.records, self._padding, self._tokens.tolist(), content, file_sha256(self.path), size
        )

    def abandon(self) -> None:
        """Close the file after an error; what it holds is of no use."""
        self._writer.close()


def shard_name(number: int) -> str:
    return f"shard-{number:05d}.arrayrecord"


def write_manifest(folder: Path, layout: Layout, shards: Sequence[Shard]) -> dict[str, Any]:
    """Write and return the `manifest.json` of a folder with these shard files, in the order of their records."""
    folder.mkdir(parents=True, exist_ok=True)
    described: dict[str, Any] = {
        "format": FORMAT,
        "sequence_length": layout.sequence_length,
        "vocab_size": layout.vocab_size,
        "fields": [{"name": name, "dtype": np.dtype(dtype).name} for name, dtype in layout.fields.items()],
        "sources": list(layout.sources),
        "records": sum(shard.records for shard in shards),
        "tokens": {name: sum(shard.tokens[n] for shard in shards) for n, name in enumerate(layout.sources)},
        "padding": sum(shard.padding for shard in shards),
    }
    rows = [
        {key: value for key, value in shard._asdict().items() if key not in ("padding", "tokens")} for shard in shards
    ]
    manifest = {**described, "shards": rows}
    manifest["fingerprint"] = fingerprint(manifest)
    write_json(folder / "manifest.json", manifest)
    return manifest


def fingerprint(manifest: Mapping[str, Any]) -> str:
    """A hash of what the manifest says of all records, and of each shard's `content`, not of its file: with another
    compression it is still the same data."""
    described = {key: value for key, value in manifest.items() if key not in ("fingerprint", "shards")}
    contents = [shard["content"] for shard in manifest["shards"]]
    return hashlib.sha256(dump([described, contents]).encode()).hexdigest()


class ShardWriter:
    """Writes records one by one to `shard-00000.arrayrecord`, ... and, when closed without an error, the manifest.

    Args:
        folder: created if missing.
        sequence_length, vocab_size, fields, sources: as in `Layout`.
        records_per_shard: number of records after which a new file begins.
    """

    def __init__(
        self,
        folder: Path,
        *,
        sequence_length: int,
        vocab_size: int,
        fields: Mapping[str, str],
        sources: Sequence[str],
        records_per_shard: int,
    ) -> None:
        self.folder = folder
        self.layout = Layout(sequence_length, vocab_size, fields, sources)
        self.records_per_shard = records_per_shard
        self._shards: list[Shard] = []
        self._file: ShardFile | None = None

    def write(self, record: Mapping[str, np.ndarray]) -> None:
        """Append one record: an array of shape [L] for each field."""
        if self._file is None:
            self._file = ShardFile(self.folder / shard_name(len(self._shards)), self.layout)
        self._file.write({name: np.asarray(array)[None] for name, array in record.items()})
        if self._file.records == self.records_per_shard:
            self._close_file()

    def _close_file(self) -> None:
        if self._file is not None:
            self._shards.append(self._file.close())
            self._file = None

    def close(self) -> dict[str, Any]:
        """Finish the last shard, then write and return the manifest."""
        self._close_file()
        return write_manifest(self.folder, self.layout, self._shards)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if error is None:
            self.close()
        elif self._file is not None:
            self._file.abandon()


class Shards:
    """The records of a folder of token shards, by index; safe to read from several threads."""

    def __init__(self, folder: Path, manifest: dict[str, Any]) -> None:
        self.folder = folder
        self.manifest = manifest
        self.sequence_length: int = manifest["sequence_length"]
        self.sources: list[str] = manifest["sources"]
        self.fingerprint: str = manifest["fingerprint"]
        self._length: int = manifest["records"]
        fields = {field["name"]: field["dtype"] for field in manifest["fields"]}
        self._record = Layout(self.sequence_length, manifest["vocab_size"], fields, self.sources).dtype
        files = [str(folder / shard["file"]) for shard in manifest["shards"]]
        self._data = ArrayRecordDataSource(files) if files else None

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: int) -> Arrays:
        """Field -> array of shape [L], read-only. Raises `IndexError` beyond the last record, `ValueError` if the
        record is damaged."""
        if self._data is None or not 0 <= index < self._length:
            raise IndexError(f"{self.folder}: record {index} of {self._length}")
        try:
            record = np.frombuffer(self._data[index], self._record)[0]
        except RuntimeError as error:
            raise ValueError(f"{self.folder}: record {index} cannot be read ({error}); {_REPAIR}") from None
        return {name: record[name] for name in self._record.names or ()}


def open_shards(folder: Path) -> Shards:
    """Open a folder of token shards. Raises `ValueError` if it is not one, or a file is missing or damaged."""
    path = folder / "manifest.json"
    if not path.is_file():
        raise ValueError(f"{folder}: no manifest.json, so it holds no token shards; run the stage that packs them")
    manifest = read_json(path)
    if manifest.get("format") != FORMAT:
        raise ValueError(f"{path}: format is {manifest.get('format')!r}; {FORMAT!r} is allowed; run the stage again")
    missing = [shard["file"] for shard in manifest["shards"] if not (folder / shard["file"]).is_file()]
    if missing:
        raise ValueError(
            f"{folder}: {missing} are in manifest.json but not in the folder; `dvc checkout` restores them"
        )
    for shard in manifest["shards"]:
        size = (folder / shard["file"]).stat().st_size
        if size != shard["bytes"]:
            raise ValueError(
                f"{folder / shard['file']} has {size} bytes; {shard['bytes']} are in manifest.json; {_REPAIR}"
            )
    try:
        return Shards(folder, manifest)
    except RuntimeError as error:  # the library's message does not always name the file
        raise ValueError(f"{folder}: a shard cannot be opened ({error}); {_REPAIR}") from None
