"""Token shards: fixed-length records of arrays in ArrayRecord files, with a manifest that describes and pins them.

A record is the bytes of its fields, little-endian, in the manifest's order. Records are written singly
(`group_size:1`), because a shuffled loader reads one at a time and would have to decode a whole larger group for it.
"""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from array_record.python.array_record_data_source import ArrayRecordDataSource
from array_record.python.array_record_module import ArrayRecordWriter

from lemur.core.records import dump, read_json, write_json

FORMAT = "lemur-token-shards/1"
OPTIONS = "group_size:1,zstd:3"

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


class ShardWriter:
    """Writes `shard-00000.arrayrecord`, ... and, when closed without an error, `manifest.json` into a folder.

    Args:
        folder: created if missing.
        sequence_length: L, the length of every field of every record.
        vocab_size: token ids are below it.
        fields: name -> unsigned dtype, in record order; see `token_fields`.
        sources: names that the field `sources` indexes, at most 256.
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
        if len(sources) > 256:
            raise ValueError(f"{len(sources)} sources; the field is uint8, so 256 are allowed")
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.sequence_length = sequence_length
        self.vocab_size = vocab_size
        self.fields = {name: np.dtype(dtype).newbyteorder("<") for name, dtype in fields.items()}
        self.sources = list(sources)
        self.records_per_shard = records_per_shard
        self._writer: ArrayRecordWriter | None = None
        self._content = hashlib.sha256()
        self._shards: list[dict[str, Any]] = []
        self._tokens: Counter[int] = Counter()
        self._padding = 0

    def write(self, record: Mapping[str, np.ndarray]) -> None:
        """Append one record: an array of shape [L] for each field."""
        if set(record) != set(self.fields):
            raise ValueError(f"record has fields {sorted(record)}; the shards have {sorted(self.fields)}")
        parts = []
        for name, dtype in self.fields.items():
            array = np.asarray(record[name])
            if array.shape != (self.sequence_length,):
                raise ValueError(f"field {name} has shape {array.shape}; ({self.sequence_length},) is allowed")
            limits = {"tokens": self.vocab_size, "sources": len(self.sources)}
            top = limits.get(name, np.iinfo(dtype).max + 1)
            if array.min() < 0 or array.max() >= top:
                raise ValueError(f"field {name} holds {array.min()} to {array.max()}; 0 to {top - 1} is allowed")
            parts.append(array.astype(dtype).tobytes())
        data = b"".join(parts)
        if self._writer is None:
            name = f"shard-{len(self._shards):05d}.arrayrecord"
            self._writer = ArrayRecordWriter(str(self.folder / name), OPTIONS)
            self._shards.append({"file": name, "records": 0})
        self._writer.write(data)
        self._content.update(data)
        self._count(record)
        self._shards[-1]["records"] += 1
        if self._shards[-1]["records"] == self.records_per_shard:
            self._close_shard()

    def _count(self, record: Mapping[str, np.ndarray]) -> None:
        used = np.asarray(record["segments"]) > 0 if "segments" in self.fields else np.ones(self.sequence_length, bool)
        self._padding += int(np.count_nonzero(~used))
        if "sources" in self.fields:
            counts = np.bincount(np.asarray(record["sources"])[used], minlength=len(self.sources))
            self._tokens.update({int(index): int(counts[index]) for index in np.flatnonzero(counts)})

    def _close_shard(self) -> None:
        if self._writer is None:
            return
        self._writer.close()
        self._writer = None
        shard = self._shards[-1]
        shard["sha256"], shard["bytes"] = _sha256(self.folder / shard["file"])

    def close(self) -> dict[str, Any]:
        """Finish the last shard, then write and return the manifest."""
        self._close_shard()
        described: dict[str, Any] = {
            "format": FORMAT,
            "sequence_length": self.sequence_length,
            "vocab_size": self.vocab_size,
            "fields": [{"name": name, "dtype": dtype.name} for name, dtype in self.fields.items()],
            "sources": self.sources,
            "records": sum(shard["records"] for shard in self._shards),
            "tokens": {name: self._tokens[index] for index, name in enumerate(self.sources)},
            "padding": self._padding,
        }
        # A hash of the records, not of the files: other compression or another number of shards is still the same data.
        described["fingerprint"] = hashlib.sha256(dump(described).encode() + self._content.digest()).hexdigest()
        manifest = {**described, "shards": self._shards}
        write_json(self.folder / "manifest.json", manifest)
        return manifest

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if error is None:
            self.close()
        elif self._writer is not None:
            self._writer.close()


class Shards:
    """The records of a folder of token shards, by index; safe to read from several threads."""

    def __init__(self, folder: Path, manifest: dict[str, Any]) -> None:
        self.folder = folder
        self.manifest = manifest
        self.sequence_length: int = manifest["sequence_length"]
        self.sources: list[str] = manifest["sources"]
        self.fingerprint: str = manifest["fingerprint"]
        self._length: int = manifest["records"]
        fields = [(field["name"], f"<{np.dtype(field['dtype']).str[1:]}") for field in manifest["fields"]]
        self._layout = np.dtype([(name, dtype, (self.sequence_length,)) for name, dtype in fields])
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
            record = np.frombuffer(self._data[index], self._layout)[0]
        except RuntimeError as error:
            raise ValueError(f"{self.folder}: record {index} cannot be read ({error}); {_REPAIR}") from None
        return {name: record[name] for name in self._layout.names or ()}


def open_shards(folder: Path) -> Shards:
    """Open a folder that `ShardWriter` wrote. Raises `ValueError` if it is not one, or a file is missing or damaged."""
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


def _sha256(path: Path) -> tuple[str, int]:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest(), path.stat().st_size
