"""Where two versions of a file first differ, in the terms of its kind: a record, a tensor, a key, a row, a byte."""

import csv
import json
from collections.abc import Callable, Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any

from lemur.pipeline.artifacts.values import MISSING, differing, pair

CHUNK = 1 << 20


def difference(old: Path, new: Path) -> str:
    """What differs first between two files of one name, or "" if their bytes are equal.

    Files that cannot be read as what their name says are compared as text, else as bytes.
    """
    if not (byte := _bytes(old, new)):
        return ""
    try:
        found = KINDS.get(old.suffix, _text)(old, new)
    except (ValueError, KeyError, RuntimeError, OSError, csv.Error) as error:
        return f"{byte} (not readable as {old.suffix}: {str(error).splitlines()[0]:.80})"
    return found or f"the same values, written otherwise: {byte}"


def _bytes(old: Path, new: Path) -> str:
    sizes = [path.stat().st_size for path in (old, new)]
    with old.open("rb") as before, new.open("rb") as after:
        for start in range(0, max(sizes), CHUNK):
            a, b = before.read(CHUNK), after.read(CHUNK)
            if a != b:
                at = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
                values = (f"0x{side[at]:02x}" if at < len(side) else "end of file" for side in (a, b))
                return f"byte {start + at}: {' -> '.join(values)} ({sizes[0]} -> {sizes[1]} bytes)"
    return ""


def _text(old: Path, new: Path) -> str:
    try:
        lines = [path.read_bytes().decode().splitlines() for path in (old, new)]
    except UnicodeDecodeError:
        return _bytes(old, new)
    for number, (a, b) in enumerate(zip_longest(*lines, fillvalue=MISSING), 1):
        if a != b:
            return f"line {number}: {pair(a, b)}"
    return ""


def _json(old: Path, new: Path) -> str:
    found = list(differing(*(json.loads(path.read_bytes()) for path in (old, new))))
    return f"{len(found)} values differ, the first is {_leaf(*found[0])}" if found else ""


def _leaf(key: str, old: Any, new: Any) -> str:
    return f"{key or 'the whole'}: {pair(old, new)}"


def _jsonl(old: Path, new: Path) -> str:
    with old.open("rb") as before, new.open("rb") as after:
        for number, (a, b) in enumerate(zip_longest(before, after), 1):
            if a == b:
                continue
            if a is None or b is None:
                counts = [
                    number - 1 + (side is not None) + sum(1 for _ in file) for side, file in ((a, before), (b, after))
                ]
                return f"record {number} is in one of them only: {counts[0]} -> {counts[1]} records"
            records = json.loads(a), json.loads(b)
            name = records[0].get("id") if isinstance(records[0], dict) else None
            leaf = next(differing(*records), None)
            what = _leaf(*leaf) if leaf else "the same values, written otherwise"
            return f"record {number}{f' (id {name})' if name else ''}: {what}"
    return ""


def _csv(old: Path, new: Path) -> str:
    with old.open(newline="", encoding="utf-8") as before, new.open(newline="", encoding="utf-8") as after:
        rows = zip_longest(csv.reader(before), csv.reader(after))
        header: list[str] = []
        for number, (a, b) in enumerate(rows):
            if a is None or b is None:
                return f"row {number} is in one of them only"
            if a != b and (not number or len(a) != len(b)):
                return f"{'header' if not number else f'row {number}'}: {pair(a, b)}"
            header = header or a
            for column, x, y in zip(header, a, b, strict=False):
                if x != y:
                    return f"row {number} ({header[0]} {a[0]}), column {column}: {pair(x, y)}"
    return ""


def _tensors(old: Path, new: Path) -> str:
    from safetensors import SafetensorError, safe_open

    try:
        for path in (old, new):
            safe_open(path, "numpy")
    except SafetensorError as error:
        raise ValueError(str(error)) from None
    with safe_open(old, "numpy") as before, safe_open(new, "numpy") as after:
        names = [set(before.keys()), set(after.keys())]
        if only := sorted(names[0] ^ names[1]):
            return f"tensor {only[0]} is in one of them only, and {len(only) - 1} more"
        arrays = ((name, _arrays(before.get_tensor(name), after.get_tensor(name))) for name in sorted(names[0]))
        return _named([(name, found) for name, found in arrays if found], len(names[0]))


def _named(found: list[tuple[str, str]], of: int) -> str:
    return f"{len(found)} of {of} tensors differ, the first is {found[0][0]} {found[0][1]}" if found else ""


def _npy(old: Path, new: Path) -> str:
    import numpy as np

    return _arrays(*(np.load(path, mmap_mode="r", allow_pickle=False) for path in (old, new)))


def _arrays(old: Any, new: Any) -> str:
    """Shape, first index, count and largest distance of what differs between two arrays; NaN equals NaN."""
    import numpy as np

    if (old.shape, old.dtype) != (new.shape, new.dtype):
        return f"{list(old.shape)} {old.dtype} -> {list(new.shape)} {new.dtype}"
    bits = f"V{old.dtype.itemsize}"
    sides = [np.ascontiguousarray(side).view(bits) for side in (old, new)]  # of a scalar it makes [1]
    where = np.argwhere((sides[0] != sides[1]).reshape(old.shape))
    if not len(where):
        return ""
    first = tuple(int(i) for i in where[0])
    text = f"{list(old.shape)} {old.dtype}: {len(where)} of {old.size} differ, first {list(first)}: "
    text += f"{old[first]} -> {new[first]}"
    if old.dtype.kind in "iufV" and old.dtype.names is None:
        text += f"; max abs diff {np.nanmax(np.abs(old.astype('f8') - new.astype('f8'))):.3g}"
    return text


def _parquet(old: Path, new: Path) -> str:
    import pyarrow.parquet as pq

    tables = [pq.read_table(path) for path in (old, new)]
    if not tables[0].schema.equals(tables[1].schema):
        return f"schema: {pair(*(str(table.schema) for table in tables))}"
    for row, (a, b) in enumerate(zip_longest(*(_rows(table) for table in tables))):
        if a is None or b is None:
            return f"row {row} is in one of them only: {tables[0].num_rows} -> {tables[1].num_rows} rows"
        if leaf := next(differing(a, b), None):
            return f"row {row}, column {_leaf(*leaf)}"
    return ""


def _rows(table: Any) -> Iterator[dict[str, Any]]:
    for batch in table.to_batches(max_chunksize=1024):
        yield from batch.to_pylist()


def _array_record(old: Path, new: Path) -> str:
    from array_record.python.array_record_data_source import ArrayRecordDataSource

    sources = [ArrayRecordDataSource([str(path)]) for path in (old, new)]
    if len(sources[0]) != len(sources[1]):
        return f"{len(sources[0])} -> {len(sources[1])} records"
    for number in range(len(sources[0])):
        a, b = (source[number] for source in sources)
        if a != b:
            return f"record {number}: {_fields(a, b, old.with_name('manifest.json'))}"
    return ""


def _fields(old: bytes, new: bytes, manifest: Path) -> str:
    """Which field of a token shard's record differs (lemur.tokens.shards), or at which byte it does."""
    import numpy as np

    shards = json.loads(manifest.read_bytes()) if manifest.is_file() else {}
    layout = np.dtype([
        (field["name"], np.dtype(field["dtype"]).newbyteorder("<"), (shards["sequence_length"],))
        for field in shards.get("fields", [])
    ])  # fmt: skip
    if len(old) == len(new) == layout.itemsize:
        a, b = (np.frombuffer(side, layout)[0] for side in (old, new))
        return next(f"{name} {found}" for name in layout.names or () if (found := _arrays(a[name], b[name])))
    at = next((i for i, (x, y) in enumerate(zip(old, new, strict=False)) if x != y), min(len(old), len(new)))
    return f"byte {at} ({len(old)} -> {len(new)} bytes)"


KINDS: dict[str, Callable[[Path, Path], str]] = {
    ".json": _json,
    ".jsonl": _jsonl,
    ".csv": _csv,
    ".safetensors": _tensors,
    ".npy": _npy,
    ".parquet": _parquet,
    ".arrayrecord": _array_record,
}
