"""JSON lines files to which several processes add at once; what a killed one left unfinished is passed over."""

import fcntl
import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from lemur.core.records import Record, dump


def append(path: Path, records: Sequence[Record]) -> None:
    """Add whole lines to the end."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if file.tell():
            file.seek(-1, 2)
            if file.read(1) != b"\n":  # a killed process left half a line
                file.write(b"\n")
        file.write("".join(dump(record) + "\n" for record in records).encode())


def read(path: Path) -> Iterator[Record]:
    """The records, without damaged lines; none if there is no file."""
    for line in path.read_bytes().splitlines() if path.is_file() else ():
        with suppress(ValueError):
            record = json.loads(line)
            if isinstance(record, dict):
                yield record
