"""What a reader of corpus documents gives, and the containers they come in: JSON lines, Parquet, plain files."""

import gzip
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from lemur.records import Record
from lemur.sources.fetched import BadRecord, FetchedFile


@dataclass(frozen=True)
class RawDocument:
    """A document as its source has it. `licences` is empty where the source as a whole has one licence."""

    where: str  # "name:line" in the fetched file
    text: str
    language: str | None = None  # programming language, by The Stack's names; None for natural language
    licences: tuple[str, ...] = ()


def rows(file: FetchedFile, convert: Callable[[str, Record], RawDocument]) -> Iterator[RawDocument | BadRecord]:
    """Records of JSON lines (gzipped or not) or Parquet, one at a time; `convert` may raise what `field` raises."""
    number = 0
    for number, row in enumerate(_parquet(file) if file.name.endswith(".parquet") else _json_lines(file), 1):
        where = f"{file.name}:{number}"
        if row is None:
            continue
        if isinstance(row, BadRecord):
            yield row
            continue
        try:
            yield convert(where, row)
        except KeyError as error:
            yield BadRecord(where, "missing_field", f"{error.args[0]} is missing; the record has {sorted(row)}")
        except TypeError as error:
            yield BadRecord(where, "wrong_type", str(error))


def field(record: Record, name: str) -> str:
    """A text field. Raises `KeyError` if it is missing, `TypeError` if it is no text."""
    value = record[name]
    if not isinstance(value, str):
        raise TypeError(f"{name} is {type(value).__name__}; text is allowed")
    return value


def whole_text(file: FetchedFile) -> str | BadRecord:
    """The file as one text; line ends become \\n."""
    data = file.path.read_bytes()
    if file.name.endswith(".gz"):
        data = gzip.decompress(data)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return BadRecord(f"{file.name}:{data.count(10, 0, error.start) + 1}", "not_utf8", str(error))
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _json_lines(file: FetchedFile) -> Iterator[Record | BadRecord | None]:
    opener = gzip.open if file.name.endswith(".gz") else open
    with opener(file.path, "rb") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                yield None
                continue
            where = f"{file.name}:{number}"
            try:
                value = json.loads(line.decode())
            except UnicodeDecodeError as error:
                yield BadRecord(where, "not_utf8", str(error))
            except ValueError as error:
                yield BadRecord(where, "not_json", f"{error}: {line[:200]!r}")
            else:
                found = type(value).__name__
                yield value if isinstance(value, dict) else BadRecord(where, "wrong_type", f"{found}, not an object")


def _parquet(file: FetchedFile) -> Iterator[Any]:
    import pyarrow.parquet

    for batch in pyarrow.parquet.ParquetFile(file.path).iter_batches(batch_size=1000):
        yield from batch.to_pylist()
