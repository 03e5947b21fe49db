"""JSON and JSON lines; the same records always give the same bytes."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, Protocol

Record = dict[str, Any]


def dump(value: Any) -> str:
    """One line of canonical JSON: sorted keys, unescaped UTF-8, no NaN."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, allow_nan=False, separators=(", ", ": "))


def content_id(prefix: str, value: Any) -> str:
    """An id computed from a record's content, so that it depends on neither order nor file.

    It has 128 bits: of 25 billion documents, as many as a web corpus has, 17 pairs would share one of 64 bits.
    """
    return f"{prefix}-{hashlib.sha256(dump(value).encode()).hexdigest()[:32]}"


def scan(path: Path) -> Iterator[tuple[int, Record]]:
    """(byte offset, record) of each line of a file that this project wrote; with the offsets, sorting and sampling need
    not keep text in memory. Raises `ValueError` with file and line if a line is not JSON."""
    with path.open("rb") as lines:
        yield from parse_lines(path, lines)


def parse_lines(path: Path, lines: Iterable[bytes]) -> Iterator[tuple[int, Record]]:
    """`scan` of lines that come from a file, decompressed for example."""
    offset = 0
    for number, line in enumerate(lines, 1):
        try:
            yield offset, json.loads(line)
        except ValueError as error:
            raise ValueError(f"{path}:{number}: not JSON ({error}); run the stage that wrote it again") from None
        offset += len(line)


def read_jsonl(path: Path) -> Iterator[Record]:
    """Records of a file that this project wrote. Raises like `scan`."""
    return (record for _, record in scan(path))


def read_at(file: BinaryIO, offset: int) -> Record:
    """The record whose line starts at byte `offset`."""
    file.seek(offset)
    record: Record = json.loads(file.readline())
    return record


def batches(records: Iterable[Record], size: int) -> Iterator[list[Record]]:
    """`records` in lists of `size`, the last one shorter."""
    iterator = iter(records)
    while batch := list(islice(iterator, size)):
        yield batch


class Writer(Protocol):
    def __call__(self, record: Record) -> None: ...


@contextmanager
def jsonl_writer(path: Path) -> Iterator[Writer]:
    """`with jsonl_writer(path) as write: write(record)` writes one canonical line per record."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="\n") as file:
        yield lambda record: print(dump(record), file=file)


def write_jsonl(path: Path, records: Iterable[Record]) -> None:
    with jsonl_writer(path) as write:
        for record in records:
            write(record)


def write_json(path: Path, value: Any) -> None:
    """Write indented canonical JSON with a final newline."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, allow_nan=False, indent=2)
    path.write_text(text + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    return json.loads(path.read_bytes())
