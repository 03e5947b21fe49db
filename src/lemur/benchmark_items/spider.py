"""Spider: questions about databases of several tables, with their SQL (Yu et al. 2018)."""

import sqlite3
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from lemur.core.files import read_text
from lemur.core.records import Record
from lemur.sources.fetched import BadRecord, DamagedFile, FetchedFile
from lemur.sources.reading.rows import rows, texts


@dataclass(frozen=True)
class Question:
    where: str
    database: str
    question: str
    query: str


@dataclass(frozen=True)
class Catalogue:
    """A database's columns by table, and one name (table.column) for all columns that foreign keys join; names are in
    lower case."""

    tables: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    keys: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Database:
    """`schema`: its CREATE TABLE statements. `files`: SQLite files, the database itself first, then its test suite."""

    schema: str
    files: tuple[bytes, ...]
    catalogue: Catalogue = Catalogue()


def read(file: FetchedFile) -> Iterator[Question | BadRecord]:
    """A JSON list of {db_id, question, query}."""
    return rows(file, _question)


def _question(where: str, record: Record) -> Question:
    return Question(where, *texts(record, "db_id", "question", "query"))


def read_databases(files: Iterable[FetchedFile]) -> dict[str, Database]:
    """Databases by meta `database`, from SQLite files or from scripts that create them (`.sql`). The file named after
    its database is the original; the others are variants on which a query must be right too (a test suite). Raises
    `DamagedFile`."""
    by_database: defaultdict[str, list[FetchedFile]] = defaultdict(list)
    for file in files:
        by_database[file.meta["database"]].append(file)
    databases = {}
    for name, variants in sorted(by_database.items()):
        variants.sort(key=lambda file: (file.path.stem != name, file.name))
        contents = tuple(content(file.path) for file in variants)
        try:
            with connected(contents[0]) as connection:
                databases[name] = Database(schema(connection), contents, catalogue(connection))
        except sqlite3.Error as error:
            raise DamagedFile(f"{variants[0].path}: {error}; fetch it again") from None
    return databases


def content(path: Path) -> bytes:
    """The bytes of a SQLite file, created by running `path` if it is a script. Raises `DamagedFile` if the script
    fails."""
    if path.suffix != ".sql":
        return path.read_bytes()
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder, "made.sqlite")
        try:
            with closing(sqlite3.connect(database)) as connection:
                connection.executescript(read_text(path))
                connection.commit()
        except (sqlite3.Error, ValueError) as error:  # bytes that are not UTF-8, or a null character
            raise DamagedFile(f"{path}: {error}; the script must run in SQLite") from None
        return database.read_bytes()


@contextmanager
def connected(file: bytes) -> Iterator[sqlite3.Connection]:
    """A connection to a copy of a SQLite file."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, "copy.sqlite")
        copy.write_bytes(file)
        with closing(sqlite3.connect(copy)) as connection:
            yield connection


def schema(connection: sqlite3.Connection) -> str:
    """The CREATE TABLE statements of a database, in the database's order."""
    query = "SELECT sql FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    statements = [table[0].strip() for table in connection.execute(query)]
    return "\n\n".join(f"{statement.rstrip(';')};" for statement in statements)


def catalogue(connection: sqlite3.Connection) -> Catalogue:
    """Tables, columns and foreign keys of a database."""
    tables: dict[str, tuple[str, ...]] = {}
    links: list[tuple[str, str]] = []
    for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
        columns = connection.execute("SELECT lower(name) FROM pragma_table_info(?)", (name,))
        tables[name.lower()] = tuple(column for (column,) in columns)
        links += connection.execute(
            """SELECT lower(? || '.' || "from"), lower("table" || '.' || coalesce("to", (
            SELECT name FROM pragma_table_info("table") WHERE pk = seq + 1))) FROM pragma_foreign_key_list(?)""",
            (name, name),
        ).fetchall()
    order = {f"{table}.{column}": None for table, columns in tables.items() for column in columns}
    rank = {name: index for index, name in enumerate(order)}
    groups: list[set[str]] = []
    for link in sorted(
        (link for link in links if set(link) <= set(rank)), key=lambda link: [rank[name] for name in link]
    ):
        # Like the official evaluator, this never joins two groups that a later key connects.
        group = next((group for group in groups if group & set(link)), None)
        if group is None:
            groups.append(set(link))
        else:
            group |= set(link)
    return Catalogue(tables, {name: min(group, key=rank.__getitem__) for group in groups for name in group})
