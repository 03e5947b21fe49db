"""Readers for the file formats of the sources: JSON lines, JSON, CSV, Parquet and text, gzipped or not."""

import csv
import gzip
import io
import json
from collections.abc import Iterator
from typing import Any

from lemur.sources.fetched import BadRecord, FetchedFile

_CHUNK = 1 << 20  # characters of a JSON list read at a time, so that memory does not grow with the file


def records(file: FetchedFile) -> Iterator[tuple[str, Any] | BadRecord]:
    """`("name:number", value)` of each record. The file's name and first character decide the format.

    In a JSON list, bytes that are not UTF-8 become lone surrogates, so that one broken record does not spoil the file.
    Raises `ValueError` if a JSON list is damaged, because the records after the damage cannot be found.
    """
    name = file.name.removesuffix(".gz")
    if name.endswith(".parquet"):
        yield from _parquet(file)
    elif name.endswith(".csv"):
        yield from _csv(file)
    elif name.endswith(".json") and not _begins_with_object(file):
        with _text(file) as text:
            yield from _json_list(file, text)
    else:
        yield from _json_lines(file)


def list_entries(file: FetchedFile, key: str) -> Iterator[tuple[str, Any] | BadRecord]:
    """`("name:index", value)` of each entry of the list `key` in a file that holds one JSON object."""
    try:
        with _open(file) as data:
            values = json.loads(data.read())[key]
    except ValueError as error:
        yield BadRecord(file.name, "not_json", str(error)[:200])
    except (KeyError, TypeError) as error:
        yield BadRecord(file.name, "missing_field", repr(error)[:200])
    else:
        yield from ((f"{file.name}:{index}", value) for index, value in enumerate(values))


def lines(file: FetchedFile) -> Iterator[tuple[str, str] | BadRecord]:
    """`("name:number", line)` of each line that is not blank."""
    with _open(file) as data:
        for number, line in enumerate(data, 1):
            where = f"{file.name}:{number}"
            if not line.strip():
                continue
            try:
                yield where, line.decode().strip("\r\n")
            except UnicodeDecodeError as error:
                yield BadRecord(where, "not_utf8", str(error))


def whole_text(file: FetchedFile) -> str | BadRecord:
    """The file as one string, with \\n line ends."""
    with _open(file) as opened:
        data: bytes = opened.read()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return BadRecord(f"{file.name}:{data.count(10, 0, error.start) + 1}", "not_utf8", str(error))
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _begins_with_object(file: FetchedFile) -> bool:
    """Whether the file holds JSON lines, which are often named .json too."""
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
        at_end = False
        while True:
            if buffer[start : start + 1] == "]":
                return
            try:
                value, end = decoder.raw_decode(buffer, start)
                if end < len(buffer):  # a number at the buffer's end could continue
                    break
            except ValueError as error:
                if at_end:
                    raise ValueError(
                        f"{file.path}: record {index} is damaged or the file is cut off ({error.args[0]}); fetch it "
                        "again"
                    ) from None
            else:
                if at_end:
                    break
            # Doubling the buffer keeps the repeated parsing of one long record linear overall.
            more = text.read(max(_CHUNK, len(buffer) - start))
            at_end = not more
            buffer = buffer[start:] + more
            start = _skip(buffer, 0, " \t\r\n,")
        yield f"{file.name}:{index}", value
        start = end
        index += 1


def _skip(text: str, start: int, characters: str) -> int:
    while start < len(text) and text[start] in characters:
        start += 1
    return start


def _csv(file: FetchedFile) -> Iterator[tuple[str, list[str]] | BadRecord]:
    with _text(file, newline="") as text:
        for number, row in enumerate(csv.reader(text), 1):
            where = f"{file.name}:{number}"
            try:
                "".join(row).encode()
            except UnicodeEncodeError as error:
                yield BadRecord(where, "not_utf8", str(error))
            else:
                yield where, row


def _parquet(file: FetchedFile) -> Iterator[tuple[str, Any]]:
    import pyarrow.parquet

    number = 0
    for batch in pyarrow.parquet.ParquetFile(file.path).iter_batches(batch_size=1000):
        for row in batch.to_pylist():
            number += 1
            yield f"{file.name}:{number}", row
