"""InterCode: tasks for Bash, SQL and capture the flag, each with its gold command (Yang et al. 2023)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from lemur.core.records import Record
from lemur.sources.fetched import BadRecord, DamagedFile, Fetched, FetchedFile
from lemur.sources.reading.rows import convert_all, readable, rows, table_rows
from lemur.sources.reading.values import FieldError

PROMPTS, DUMP, FILE_SYSTEMS, ASSET, EPISODES = (
    "intercode_prompts",
    "intercode_dump",
    "intercode_file_systems",
    "intercode_asset",
    "intercode_episodes",
)
"""Schemas of what stands beside the tasks."""


@dataclass(frozen=True)
class Task:
    """`database`, `tables` (columns by table) and `hardness`: SQL; `number`, `setup` (a command that runs first) and
    `tags`: capture the flag."""

    where: str
    query: str
    gold: str
    database: str = ""
    tables: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    hardness: str = ""
    number: int | None = None
    setup: str = ""
    tags: tuple[str, ...] = ()


def read(file: FetchedFile) -> Iterator[Task | BadRecord]:
    """Records {query, gold}; SQL also {db, db_tables, hardness}, capture the flag {task_id, setup, tags}."""
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


def tasks(source: Fetched, benchmark: str) -> dict[str, Task]:
    """The tasks of `benchmark` (intercode_sql, intercode_bash or intercode_ctf) by name, such as intercode_sql/0, or
    intercode_bash/fs_1/0 where the file's metadata has a `part`. Raises `ValueError` for a bad record."""
    named = {}
    for file in source.files:
        if file.schema in READERS and file.meta.get("benchmark") == benchmark and file.meta.get("played", True):
            folder = "/".join([benchmark, *([str(file.meta["part"])] if "part" in file.meta else [])])
            for index, task in enumerate(readable(READERS[file.schema](file))):
                named[f"{folder}/{index if task.number is None else task.number}"] = task
    return named


def _name_cells(names: list[str], where: str, cells: list[str]) -> tuple[str, Record] | BadRecord:
    if len(cells) != len(names):
        return BadRecord(where, "wrong_type", f"{len(cells)} cells, {len(names)} names")
    return where, dict(zip(names, cells, strict=True))


def _task(where: str, record: Record) -> Task:
    tables = record.get("db_tables", {})
    if not isinstance(tables, dict) or not all(isinstance(columns, list) for columns in tables.values()):
        raise FieldError("wrong_type", f"db_tables is {tables!r:.50}; lists of columns by table are allowed")
    number = record.get("task_id")
    return Task(
        where,
        str(record["query"]),
        str(record["gold"]),
        str(record.get("db", "")),
        {str(name): tuple(map(str, columns)) for name, columns in tables.items()},
        str(record.get("hardness", "")),
        number if isinstance(number, int) else None,
        str(record.get("setup", "")),
        tuple(map(str, record.get("tags") or ())),
    )


READERS = {"intercode": read, "intercode_table": read_table}
"""By schema of a file of tasks."""
