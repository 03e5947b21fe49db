"""Convert a file's records with a reader; a record that cannot be used becomes a `BadRecord`."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

from lemur.core.records import Record
from lemur.sources.fetched import BadRecord, FetchedFile
from lemur.sources.reading.file_formats import records
from lemur.sources.reading.values import FieldError

Read = TypeVar("Read")
Item = TypeVar("Item")


def reader(file: FetchedFile, readers: Mapping[str, Read], kind: str) -> Read:
    """The reader of a file's schema. Raises `ValueError` for a schema that is not in `readers`."""
    if file.schema not in readers:
        raise ValueError(
            f"{file.path}: {file.schema!r} is not a {kind} schema; the manifest must name one of {sorted(readers)}"
        )
    return readers[file.schema]


def rows(file: FetchedFile, convert: Callable[[str, Record], Item | BadRecord]) -> Iterator[Item | BadRecord]:
    """`convert(where, record)` of each object in `file`."""
    return convert_all(records(file), convert)


def table_rows(file: FetchedFile) -> Iterator[tuple[str, list[str]] | BadRecord]:
    """The rows of a table, a CSV or a file in JSON, as lists of strings."""
    for value in records(file):
        if isinstance(value, BadRecord) or _is_row(value[1]):
            yield value
        else:
            yield BadRecord(value[0], "wrong_type", f"{type(value[1]).__name__}, not a row of strings")


def _is_row(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(cell, str) for cell in value)


def convert_all(
    values: Iterable[tuple[str, Any] | BadRecord], convert: Callable[[str, Record], Item | BadRecord]
) -> Iterator[Item | BadRecord]:
    """`convert(where, record)` of each object in `values`. `convert` may raise `FieldError`, `KeyError` for a missing
    field, and `TypeError`, `ValueError` or `OverflowError` for one that it cannot use."""
    for value in values:
        yield value if isinstance(value, BadRecord) else _convert(*value, convert)


def _convert(where: str, row: object, convert: Callable[[str, Record], Item | BadRecord]) -> Item | BadRecord:
    if not isinstance(row, dict):
        return BadRecord(where, "wrong_type", f"{type(row).__name__}, not an object")
    try:
        return convert(where, row)
    except FieldError as error:
        return BadRecord(where, error.reason, error.detail)
    except KeyError as error:
        return BadRecord(where, "missing_field", f"{error.args[0]} is missing; the record has {sorted(row)}")
    except (TypeError, ValueError, OverflowError) as error:
        return BadRecord(where, "wrong_type", str(error)[:200])


def texts(record: Record, *names: str) -> list[str]:
    """The named fields, which must be strings. Raises `KeyError` or `TypeError`."""
    for name in names:
        if not isinstance(record[name], str):
            raise TypeError(f"{name} is {record[name]!r:.50}; a string is allowed")
    return [record[name] for name in names]


def readable(items: Iterable[Item | BadRecord]) -> list[Item]:
    """All of `items`. Raises `ValueError` at the first bad record: a score over part of a benchmark would not be the
    benchmark's score."""
    readable_items: list[Item] = []
    for item in items:
        if isinstance(item, BadRecord):
            raise ValueError(f"{item.where}: {item.reason}: {item.detail}; fetch the file again, or fix the source")
        readable_items.append(item)
    return readable_items
