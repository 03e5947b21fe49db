"""InterCode: tasks for Bash, SQL and capture the flag, each with its gold command (Yang et al. 2023)."""

from collections.abc import Iterator
from dataclasses import dataclass

from lemur.core.records import Record
from lemur.sources.fetched import BadRecord, DamagedFile, FetchedFile
from lemur.sources.reading.rows import convert_all, rows, table_rows


@dataclass(frozen=True)
class Task:
    where: str
    query: str
    gold: str


def read(file: FetchedFile) -> Iterator[Task | BadRecord]:
    """Records {query, gold}."""
    return rows(file, _task)


def read_table(file: FetchedFile) -> Iterator[Task | BadRecord]:
    """The same records as a CSV file with a header line."""
    table = table_rows(file)
    header = next(table, None)
    if header is None:
        return iter(())
    if isinstance(header, BadRecord):
        raise DamagedFile(
            f"{file.path}: the header, {header.where}: {header.reason}: {header.detail}; fetch the file again"
        )

    names = header[1]
    named_rows = (row if isinstance(row, BadRecord) else _name_cells(names, *row) for row in table)
    return convert_all(named_rows, _task)


def _name_cells(names: list[str], where: str, cells: list[str]) -> tuple[str, Record] | BadRecord:
    if len(cells) != len(names):
        return BadRecord(where, "wrong_type", f"{len(cells)} cells, {len(names)} names")
    return where, dict(zip(names, cells, strict=True))


def _task(where: str, record: Record) -> Task:
    return Task(where, str(record["query"]), str(record["gold"]))
