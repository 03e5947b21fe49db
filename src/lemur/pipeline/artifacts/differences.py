"""Where two versions of a file first differ, in terms of its format: a record, a tensor, a key, a row, a byte."""

import csv
import json
from collections.abc import Callable, Iterator
from io import BufferedReader
from itertools import zip_longest
from pathlib import Path
from typing import Any

from lemur.core.rejects import open_rejects
from lemur.pipeline.artifacts.values import MISSING, leaf_differences, pair

CHUNK = 1 << 20


def difference(old: Path, new: Path) -> str:
    """The first difference between two files of the same name, or "" if their bytes are equal.

    A suffix without its own comparison is compared as text. A file that cannot be read as text or as what its suffix
    says is compared as bytes.
    """
    if not (byte := _compare_bytes(old, new)):
        return ""
    try:
        text = COMPARISONS.get(old.suffix, _compare_text)(old, new)
    except (ValueError, KeyError, RuntimeError, OSError, csv.Error) as error:
        return f"{byte} (not readable as {old.suffix}: {str(error).splitlines()[0]:.80})"
    return text or f"the same values, encoded differently: {byte}"


def _compare_bytes(old: Path, new: Path) -> str:
    sizes = [path.stat().st_size for path in (old, new)]
    with old.open("rb") as before, new.open("rb") as after:
        for start in range(0, max(sizes), CHUNK):
            a, b = before.read(CHUNK), after.read(CHUNK)
            if a != b:
                at = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
                values = (f"0x{side[at]:02x}" if at < len(side) else "end of file" for side in (a, b))
                return f"byte {start + at}: {' -> '.join(values)} ({sizes[0]} -> {sizes[1]} bytes)"
    return ""


def _compare_text(old: Path, new: Path) -> str:
    try:
        lines = [path.read_bytes().decode().splitlines() for path in (old, new)]
    except UnicodeDecodeError:
        return _compare_bytes(old, new)
    for number, (a, b) in enumerate(zip_longest(*lines, fillvalue=MISSING), 1):
        if a != b:
            return f"line {number}: {pair(a, b)}"
    return ""


def _compare_json(old: Path, new: Path) -> str:
    leaves = list(leaf_differences(*(json.loads(path.read_bytes()) for path in (old, new))))
    return f"{len(leaves)} values differ, the first is {_leaf(*leaves[0])}" if leaves else ""


def _leaf(key: str, old: Any, new: Any) -> str:
    return f"{key or 'the whole value'}: {pair(old, new)}"


def _compare_jsonl(old: Path, new: Path) -> str:
    with old.open("rb") as before, new.open("rb") as after:
        return _compare_records(before, after)


def _compare_rejects(old: Path, new: Path) -> str:
    with open_rejects(old) as before, open_rejects(new) as after:
        return _compare_records(before, after)


def _compare_records(before: BufferedReader, after: BufferedReader) -> str:
    for number, (a, b) in enumerate(zip_longest(before, after), 1):
        if a == b:
            continue
        if a is None or b is None:
            counts = [
                number - 1 + (side is not None) + sum(1 for _ in file) for side, file in ((a, before), (b, after))
            ]
            return f"record {number} is only in one of them: {counts[0]} -> {counts[1]} records"
        records = json.loads(a), json.loads(b)
        name = records[0].get("id") if isinstance(records[0], dict) else None
        leaf = next(leaf_differences(*records), None)
        text = _leaf(*leaf) if leaf else "the same values, encoded differently"
        return f"record {number}{f' (id {name})' if name else ''}: {text}"

    return ""


def _compare_csv(old: Path, new: Path) -> str:
    with old.open(newline="", encoding="utf-8") as before, new.open(newline="", encoding="utf-8") as after:
        rows = zip_longest(csv.reader(before), csv.reader(after))
        header: list[str] = []
        for number, (a, b) in enumerate(rows):
            if a is None or b is None:
                return f"row {number} is only in one of them"
            if a != b and (not number or len(a) != len(b)):
                return f"{'header' if not number else f'row {number}'}: {pair(a, b)}"
            header = header or a
            for column, x, y in zip(header, a, b, strict=False):
                if x != y:
                    return f"row {number} ({header[0]} {a[0]}), column {column}: {pair(x, y)}"
    return ""


def _compare_safetensors(old: Path, new: Path) -> str:
    from safetensors import SafetensorError, safe_open

    try:
        for path in (old, new):
            safe_open(path, "numpy")
    except SafetensorError as error:
        raise ValueError(str(error)) from None
    with safe_open(old, "numpy") as before, safe_open(new, "numpy") as after:
        names = [set(before.keys()), set(after.keys())]
        if unmatched := sorted(names[0] ^ names[1]):
            return f"tensor {unmatched[0]} is only in one of them, and {len(unmatched) - 1} more"
        arrays = ((name, _compare_arrays(before.get_tensor(name), after.get_tensor(name))) for name in sorted(names[0]))
        different = [(name, text) for name, text in arrays if text]
    if not different:
        return ""
    return f"{len(different)} of {len(names[0])} tensors differ, the first is {' '.join(different[0])}"


def _compare_npy(old: Path, new: Path) -> str:
    import numpy as np

    return _compare_arrays(*(np.load(path, mmap_mode="r", allow_pickle=False) for path in (old, new)))


def _compare_arrays(old: Any, new: Any) -> str:
    """Shape, count, first index and largest difference between two arrays, "" if equal; NaN equals NaN."""
    import numpy as np

    if (old.shape, old.dtype) != (new.shape, new.dtype):
        return f"{list(old.shape)} {old.dtype} -> {list(new.shape)} {new.dtype}"
    bits = f"V{old.dtype.itemsize}"
    sides = [np.ascontiguousarray(side).view(bits) for side in (old, new)]  # turns a scalar into shape [1]
    where = np.argwhere((sides[0] != sides[1]).reshape(old.shape))
    if not len(where):
        return ""
    first = tuple(int(i) for i in where[0])
    text = f"{list(old.shape)} {old.dtype}: {len(where)} of {old.size} differ, first {list(first)}: "
    text += f"{old[first]} -> {new[first]}"
    if old.dtype.kind in "iufV" and old.dtype.names is None:
        text += f"; max abs diff {np.nanmax(np.abs(old.astype('f8') - new.astype('f8'))):.3g}"
    return text


def _compare_parquet(old: Path, new: Path) -> str:
    import pyarrow.parquet as pq

    tables = [pq.read_table(path) for path in (old, new)]
    if not tables[0].schema.equals(tables[1].schema):
        return f"schema: {pair(*(str(table.schema) for table in tables))}"
    for row, (a, b) in enumerate(zip_longest(*(_rows(table) for table in tables))):
        if a is None or b is None:
            return f"row {row} is only in one of them: {tables[0].num_rows} -> {tables[1].num_rows} rows"
        if leaf := next(leaf_differences(a, b), None):
            return f"row {row}, column {_leaf(*leaf)}"
    return ""


def _rows(table: Any) -> Iterator[dict[str, Any]]:
    for batch in table.to_batches(max_chunksize=1024):
        yield from batch.to_pylist()


def _compare_array_record(old: Path, new: Path) -> str:
    from array_record.python.array_record_data_source import ArrayRecordDataSource

    sources = [ArrayRecordDataSource([str(path)]) for path in (old, new)]
    if len(sources[0]) != len(sources[1]):
        return f"{len(sources[0])} -> {len(sources[1])} records"
    for number in range(len(sources[0])):
        a, b = (source[number] for source in sources)
        if a != b:
            return f"record {number}: {_compare_fields(a, b, old.with_name('manifest.json'))}"
    return ""


def _compare_fields(old: bytes, new: bytes, manifest: Path) -> str:
    """The first field of a token shard's record (lemur.tokens.shards) that differs, or else the first byte."""
    import numpy as np

    shards = json.loads(manifest.read_bytes()) if manifest.is_file() else {}
    layout = np.dtype([
        (field["name"], np.dtype(field["dtype"]).newbyteorder("<"), (shards["sequence_length"],))
        for field in shards.get("fields", [])
    ])  # fmt: skip
    if len(old) == len(new) == layout.itemsize:
        a, b = (np.frombuffer(side, layout)[0] for side in (old, new))
        return next(f"{name} {text}" for name in layout.names or () if (text := _compare_arrays(a[name], b[name])))
    at = next((i for i, (x, y) in enumerate(zip(old, new, strict=False)) if x != y), min(len(old), len(new)))
    return f"byte {at} ({len(old)} -> {len(new)} bytes)"


COMPARISONS: dict[str, Callable[[Path, Path], str]] = {
    ".json": _compare_json,
    ".jsonl": _compare_jsonl,
    ".zst": _compare_rejects,
    ".csv": _compare_csv,
    ".safetensors": _compare_safetensors,
    ".npy": _compare_npy,
    ".parquet": _compare_parquet,
    ".arrayrecord": _compare_array_record,
}
