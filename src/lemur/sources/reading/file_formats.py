"""Readers for the file formats of the sources: JSON lines, JSON, CSV, Parquet and text, compressed or not."""

import codecs
import csv
import io
import re
from collections.abc import Iterable, Iterator
from itertools import count
from typing import Any

from lemur.sources.fetched import BadRecord, DamagedFile, FetchedFile
from lemur.sources.reading.content import open_content, uncompressed_name
from lemur.sources.reading.values import DECODER, FieldError, TooDeep, check, decode

Value = tuple[str, Any]
"""`("name:number", value)` of a record."""
_BLANKS = " \t\r\n"

_CHUNK = 1 << 20  # characters of a JSON list read at a time, so that memory does not grow with the file


def records(file: FetchedFile) -> Iterator[Value | BadRecord]:
    """Each record. The file's name and first characters decide the format: a JSON list may be named .jsonl, and JSON
    lines .json.

    In a JSON list and a CSV, bytes that are not UTF-8 become lone surrogates, so that one broken record does not spoil
    the file. Raises `DamagedFile` if the records after a damage cannot be found.
    """
    name = uncompressed_name(file.name)
    if name.endswith(".parquet"):
        values = _parquet(file)
    elif name.endswith(".csv"):
        values = _csv(file)
    else:
        values = _json(file, is_list=name.endswith(".json"))
    for value in values:
        yield value if isinstance(value, BadRecord) else _checked(*value)


def _json(file: FetchedFile, *, is_list: bool) -> Iterator[Value | BadRecord]:
    start = _first_characters(file)
    if is_list and not start:
        return iter([BadRecord(file.name, "not_json", "the file is empty")])
    is_list = not start.startswith("{") if is_list else start in ("[{", "[]")
    return _json_list(file) if is_list else _json_lines(file)


def _checked(where: str, value: Any) -> Value | BadRecord:
    try:
        check(value)
    except FieldError as error:
        return BadRecord(where, error.reason, error.detail)
    return where, value


def list_entries(file: FetchedFile, key: str) -> Iterator[Value | BadRecord]:
    """`("name:index", value)` of each entry of the list `key` in a file that holds one JSON object."""
    text = whole_text(file)
    if isinstance(text, BadRecord):
        yield text
        return
    try:
        values = decode(text)[key]
        if not isinstance(values, list):
            raise TypeError(f"{key} is {type(values).__name__}, a list is expected")
    except ValueError as error:
        yield BadRecord(file.name, "not_json", str(error)[:200])
    except (KeyError, TypeError) as error:
        yield BadRecord(file.name, "missing_field", repr(error)[:200])
    else:
        yield from (_checked(f"{file.name}:{index}", value) for index, value in enumerate(values))


def lines(file: FetchedFile) -> Iterator[tuple[str, str] | BadRecord]:
    """`("name:number", line)` of each line that is not blank."""
    for where, line in _raw_lines(file):
        try:
            yield where, line.decode().strip("\r\n")
        except UnicodeDecodeError as error:
            yield BadRecord(where, "not_utf8", str(error))


def _raw_lines(file: FetchedFile) -> Iterator[tuple[str, bytes]]:
    """The lines that are not blank. Of bytes, because a carriage return or U+2028 in a string must not split one."""
    with open_content(file) as content:
        for number, line in enumerate(content, 1):
            line = line.removeprefix(codecs.BOM_UTF8)
            if line.strip():
                yield f"{file.name}:{number}", line


def whole_text(file: FetchedFile) -> str | BadRecord:
    """The file as one string, with \\n line ends. The file is one record, so a damaged one is a bad record."""
    try:
        with open_content(file) as opened:
            data = opened.read()
    except DamagedFile as error:
        return BadRecord(file.name, "not_utf8", str(error).removeprefix(f"{file.path}: "))
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return BadRecord(f"{file.name}:{data.count(10, 0, error.start) + 1}", "not_utf8", str(error))
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _first_characters(file: FetchedFile) -> str:
    """The first two characters that are not blank; fewer if the file has no more."""
    characters = ""
    with _text(file) as text:
        while len(characters) < 2 and (more := text.read(64)):
            characters += "".join(more.split())
    return characters[:2]


def _text(file: FetchedFile, newline: str = "\n") -> io.TextIOWrapper:
    return io.TextIOWrapper(open_content(file), encoding="utf-8-sig", errors="surrogateescape", newline=newline)


def _json_lines(file: FetchedFile) -> Iterator[Value | BadRecord]:
    for where, line in _raw_lines(file):
        try:
            value = decode(line.decode())
        except UnicodeDecodeError as error:
            yield BadRecord(where, "not_utf8", str(error))
        except FieldError as error:
            yield BadRecord(where, error.reason, error.detail)
        except ValueError as error:
            yield BadRecord(where, "not_json", f"{error}: {line[:200]!r}")
        else:
            yield where, value


def _json_list(file: FetchedFile) -> Iterator[Value | BadRecord]:
    with _text(file) as text:
        buffer = text.read(_CHUNK)
        start = _skip(buffer, 0, _BLANKS)
        if buffer[start : start + 1] != "[":
            raise DamagedFile(
                f"{file.path}: begins with {buffer[:20]!a}; a JSON list is expected for schema {file.schema}"
            )
        start += 1
        index = 0
        while True:
            item, buffer, end = _list_item(file, text, buffer, start, index)
            if item is None:
                break
            yield item
            start = end
            index += 1
        rest = buffer[end:].lstrip()
        while not rest and (more := text.read(_CHUNK)):
            rest = more.lstrip()
        if rest:
            raise DamagedFile(
                f"{file.path}: byte {_byte(text, rest)}: {rest[:20]!a} follows the end of the JSON list; one "
                "list is expected"
            )


def _list_item(
    file: FetchedFile, text: io.TextIOWrapper, buffer: str, start: int, index: int
) -> tuple[Value | BadRecord | None, str, int]:
    """The list's next item (None at the list's end), the buffer, and where the item ends in it."""
    where = f"{file.name}:{index}"
    at_end = False
    while True:
        start = _skip(buffer, start, _BLANKS + ",")
        if buffer[start : start + 1] == "]":
            return None, buffer, start + 1
        broken: Exception | None = None
        try:
            value, end = DECODER.raw_decode(buffer, start)
        except (ValueError, RecursionError) as error:
            broken = TooDeep() if isinstance(error, RecursionError) else error
            end = _end_of_value(buffer, start)
        follows = _skip(buffer, end, _BLANKS)
        after = buffer[follows : follows + 1]
        # Without a character after it, a number could continue.
        if after and (broken is None or after in ",]"):
            break
        if at_end:
            raise DamagedFile(
                f"{file.path}: byte {_byte(text, buffer[start:])}: record {index} is damaged or the file is cut off "
                f"({broken or 'the list has no end'}); fetch it again"
            )
        # Doubling the buffer keeps the repeated parsing of one long record linear overall.
        more = text.read(max(_CHUNK, len(buffer) - start))
        at_end = not more
        buffer = buffer[start:] + more
        start = 0
    try:
        buffer[start:end].encode()
    except UnicodeEncodeError as error:
        return BadRecord(where, "not_utf8", str(error)), buffer, end
    if broken is not None:
        detail = str(broken) if isinstance(broken, TooDeep) else f"{broken}: {buffer[start : min(end, start + 200)]!a}"
        return BadRecord(where, "not_json", detail), buffer, end
    return (where, value), buffer, end


_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{}"]|[^\[\]{}",\s]+', re.DOTALL)


def _end_of_value(buffer: str, start: int) -> int:
    """Where a value ends that is not JSON, by its brackets and strings; beyond the buffer if they do not close."""
    depth = 0
    for token in _TOKEN.finditer(buffer, start):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(token[0], 0)
        if depth < 0 or token[0] == '"':
            break
        if depth == 0:
            return token.end()
    return len(buffer) + 1


def _byte(text: io.TextIOWrapper, rest: str) -> int:
    """The position of `rest`, the last characters that were read, in the decompressed file. Reads to the file's end."""
    after = 0
    while rest:
        after += len(rest.encode(errors="surrogateescape"))
        rest = text.read(_CHUNK)
    return text.buffer.tell() - after  # type: ignore[attr-defined]


def _skip(text: str, start: int, characters: str) -> int:
    while start < len(text) and text[start] in characters:
        start += 1
    return start


def _csv(file: FetchedFile) -> Iterator[Value | BadRecord]:
    with _text(file, newline="") as text:
        table = csv.reader(text)
        for number in count(1):
            where = f"{file.name}:{number}"
            try:
                row = next(table, None)
                if row is None:
                    return
                "".join(row).encode()
            except csv.Error as error:  # a cell longer than the csv module's limit; the next line can be read
                yield BadRecord(where, "wrong_type", str(error))
            except UnicodeEncodeError as error:
                yield BadRecord(where, "not_utf8", str(error))
            else:
                yield where, row


def _parquet(file: FetchedFile) -> Iterator[Value | BadRecord]:
    import pyarrow.parquet

    if not file.path.stat().st_size:
        yield BadRecord(file.name, "wrong_type", "the file is empty")
        return
    number = 0
    try:
        for batch in pyarrow.parquet.ParquetFile(file.path).iter_batches(batch_size=1000):
            for row in _parquet_rows(batch):
                number += 1
                where = f"{file.name}:{number}"
                yield BadRecord(where, "wrong_type", str(row)) if isinstance(row, Exception) else (where, row)
    except (pyarrow.ArrowException, OSError, ValueError, KeyError, TypeError) as error:
        raise DamagedFile(f"{file.path}: damaged Parquet after row {number} ({error}); fetch it again") from None


def _parquet_rows(batch: Any) -> Iterable[Any]:
    """The rows of a batch; the error instead of a row that Python cannot represent."""
    try:
        return batch.to_pylist()
    except (ValueError, OverflowError):
        rows: list[Any] = []
        for index in range(batch.num_rows):
            try:
                rows += batch.slice(index, 1).to_pylist()
            except (ValueError, OverflowError) as error:
                rows.append(error)
        return rows
