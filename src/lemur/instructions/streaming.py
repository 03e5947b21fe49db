"""Walking over JSON lines in batches, and by byte offset so that sorting and sampling hold no text in memory."""

import json
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from lemur.records import Record


def scan(path: Path) -> Iterator[tuple[int, Record]]:
    """(byte offset, record) of each line. Raises `ValueError` with file and line if one is not JSON."""
    offset = 0
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                yield offset, json.loads(line)
            except ValueError as error:
                raise ValueError(f"{path}:{number}: not JSON ({error}); run the stage that wrote it again") from None
            offset += len(line)


def read_at(file: BinaryIO, offset: int) -> Record:
    file.seek(offset)
    record: Record = json.loads(file.readline())
    return record


def batches(records: Iterable[Record], size: int) -> Iterator[list[Record]]:
    """`records` in lists of `size`, the last one shorter."""
    iterator = iter(records)
    while batch := list(islice(iterator, size)):
        yield batch
