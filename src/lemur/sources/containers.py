"""The containers that sources come in: JSON lines, one JSON list, CSV, Parquet; gzipped or not."""

import csv
import gzip
import io
import json
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from lemur.sources.fetched import BadRecord, FetchedFile

Read = TypeVar("Read")
_CHUNK = 1 << 20  # characters read at a time from a JSON list, so that memory does not grow with the file


def reader(file: FetchedFile, readers: Mapping[str, Read], kind: str) -> Read:
    """The reader of a file's schema. Raises `ValueError` for a schema that none of `readers` knows."""
    if file.schema not in readers:
        raise ValueError(
            f"{file.path}: schema {file.schema!r} is no {kind} schema; the manifest may name {sorted(readers)}"
        )
    return readers[file.schema]


def records(file: FetchedFile) -> Iterator[tuple[str, Any] | BadRecord]:
    """`("name:number", value)` of each record; the container follows from the file's name and its first character.

    Bytes in a JSON list or CSV that are not UTF-8 become lone surrogates, so that one broken record does not cost the
    file. Raises `ValueError` if a JSON list is damaged, since nothing after the damage can be told apart.
    """
    name = file.name.removesuffix(".gz")
    if name.endswith(".parquet"):
        yield from _parquet(file)
    elif name.endswith(".csv"):
        with _text(file, newline="") as text:
            for number, row in enumerate(csv.reader(text), 1):
                yield f"{file.name}:{number}", row
    elif name.endswith(".json") and not _begins_with_object(file):
        with _text(file) as text:
            yield from _json_list(file, text)
    else:
        yield from _json_lines(file)


def _begins_with_object(file: FetchedFile) -> bool:
    """JSON lines are often named .json."""
    with _text(file) as text:
        return text.read(64).lstrip("\ufeff \t\r\n").startswith("{")


def _open(file: FetchedFile) -> Any:
    return gzip.open(file.path, "rb") if file.name.endswith(".gz") else file.path.open("rb")


def _text(file: FetchedFile, newline: str = "\n") -> io.TextIOWrapper:
    return io.TextIOWrapper(_open(file), encoding="utf-8", errors="surrogateescape", newline=newline)


def _json_lines(file: FetchedFile) -> Iterator[tuple[str, Any] | BadRecord]:
    with _open(file) as lines:  # bytes: a carriage return or U+2028 inside a string must not split a line
        for number, line in enumerate(lines, 1):
            where = f"{file.name}:{number}"
            if not line.strip():
                continue
            try:
                yield where, json.loads(line.decode())
            except UnicodeDecodeError as error:
                yield BadRecord(where, "not_utf8", str(error))
            except ValueError as error:
                yield BadRecord(where, "not_json", f"{error}: {line[:200]!r}")


def _json_list(file: FetchedFile, text: io.TextIOWrapper) -> Iterator[tuple[str, Any]]:
    decoder = json.JSONDecoder()
    buffer = text.read(_CHUNK).removeprefix("\ufeff")
    start = _skip(buffer, 0, " \t\r\n")
    if buffer[start : start + 1] != "[":
        raise ValueError(f"{file.path}: begins with {buffer[:20]!r}; a JSON list is expected for schema {file.schema}")
    start += 1
    index = 0
    while True:
        start = _skip(buffer, start, " \t\r\n,")
        ended = False
        while True:
            if buffer[start : start + 1] == "]":
                return
            try:
                value, end = decoder.raw_decode(buffer, start)
                if end < len(buffer):  # at the buffer's end a number could go on
                    break
            except ValueError as error:
                if ended:
                    raise ValueError(
                        f"{file.path}: record {index} is damaged or the file cut off ({error.args[0]}); fetch it again"
                    ) from None
            else:
                if ended:
                    break
            # Doubling keeps the repeated parses of one long record linear overall.
            more = text.read(max(_CHUNK, len(buffer) - start))
            ended = not more
            buffer = buffer[start:] + more
            start = _skip(buffer, 0, " \t\r\n,")
        yield f"{file.name}:{index}", value
        start = end
        index += 1


def _skip(text: str, start: int, characters: str) -> int:
    while start < len(text) and text[start] in characters:
        start += 1
    return start


def _parquet(file: FetchedFile) -> Iterator[tuple[str, Any]]:
    import pyarrow.parquet

    number = 0
    for batch in pyarrow.parquet.ParquetFile(file.path).iter_batches(batch_size=1000):
        for row in batch.to_pylist():
            number += 1
            yield f"{file.name}:{number}", row
