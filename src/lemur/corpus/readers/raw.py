"""What a reader of corpus documents gives, and two ways to read: record by record, and a file as one text."""

import gzip
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from lemur.core.records import Record
from lemur.sources.containers import records
from lemur.sources.fetched import BadRecord, FetchedFile


@dataclass(frozen=True)
class RawDocument:
    """A document as its source has it. `licences` is empty where the source as a whole has one licence."""

    where: str  # "name:line" in the fetched file
    text: str
    language: str | None = None  # programming language, by The Stack's names; None for natural language
    licences: tuple[str, ...] = ()


def rows(file: FetchedFile, convert: Callable[[str, Record], RawDocument]) -> Iterator[RawDocument | BadRecord]:
    """Records of JSON lines or Parquet, one at a time; `convert` may raise what `field` raises."""
    for item in records(file):
        if isinstance(item, BadRecord):
            yield item
            continue
        where, row = item
        if not isinstance(row, dict):
            yield BadRecord(where, "wrong_type", f"{type(row).__name__}, not an object")
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
