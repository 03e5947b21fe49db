"""Items of a benchmark out of its files, one a record; JSON lines or Parquet, as the file's name says."""

from collections.abc import Callable, Iterator
from typing import TypeVar

from lemur.core.records import Record
from lemur.sources.containers import records
from lemur.sources.fetched import BadRecord, FetchedFile

Item = TypeVar("Item")


def items(file: FetchedFile, convert: Callable[[str, Record], Item | BadRecord]) -> Iterator[Item | BadRecord]:
    """`convert(where, record)` of each record. It may raise `KeyError` for a field that is not there, and `TypeError`
    or `ValueError` for one that it cannot use."""
    for item in records(file):
        yield item if isinstance(item, BadRecord) else _converted(*item, convert)


def _converted(where: str, row: object, convert: Callable[[str, Record], Item | BadRecord]) -> Item | BadRecord:
    if not isinstance(row, dict):
        return BadRecord(where, "wrong_type", f"{type(row).__name__}, not an object")
    try:
        return convert(where, row)
    except KeyError as error:
        return BadRecord(where, "missing_field", f"{error.args[0]} is missing; the record has {sorted(row)}"[:200])
    except (TypeError, ValueError) as error:
        return BadRecord(where, "wrong_type", str(error)[:200])


def texts(record: Record, *names: str) -> list[str]:
    """Fields that must be strings. Raises `KeyError` or `TypeError`."""
    for name in names:
        if not isinstance(record[name], str):
            raise TypeError(f"{name} is {record[name]!r:.50}; a string is allowed")
    return [record[name] for name in names]
