"""InterCode's MySQL dump as SQLite databases, with what MySQL says of their tables and columns."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field

_TABLE = re.compile(r"CREATE TABLE `(\w+)` \(\n(.*?)\n\)", re.DOTALL)
_COLUMN = re.compile(r"`([^`]+)` (\w+(?:\([\d,]+\))?)(.*)")
_KEY = re.compile(r"(PRIMARY KEY|UNIQUE KEY|KEY)(?: `[^`]+`)? \((.+)\)")
_VALUE = re.compile(r"'((?:[^'\\]|\\.|'')*)'|([^,()']+)")
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "0": "\0", "Z": "\x1a"}
_NUMBERS = ("int", "bigint", "smallint", "tinyint", "double", "float", "decimal")
Row = tuple[str | int | float | None, ...]


@dataclass(frozen=True)
class Table:
    """`described`: rows of DESCRIBE: name, type, null, key, default, extra."""

    described: list[tuple[str | None, ...]]
    rows: list[Row] = field(default_factory=list)


def read(dump: str) -> dict[str, dict[str, Table]]:
    """The tables of each database by name, in lower case as on InterCode's server. Raises `ValueError` for another kind
    of dump."""
    databases: dict[str, dict[str, Table]] = {}
    for part in re.split(r"^USE `", dump, flags=re.MULTILINE)[1:]:
        name, _, body = part.partition("`")
        tables = {match[1].lower(): Table(list(_described(match[2]))) for match in _TABLE.finditer(body)}
        for line in body.splitlines():
            if line.startswith("INSERT INTO `"):
                table, _, values = line[len("INSERT INTO `") :].partition("` VALUES ")
                tables[table.lower()].rows.extend(_rows(values))
        databases[name] = dict(sorted(tables.items()))
    if not databases:
        raise ValueError("no `USE` statement; a dump that mysqldump wrote with --databases is expected")
    return dict(sorted(databases.items()))


def as_sqlite(tables: dict[str, Table]) -> bytes:
    """A SQLite file. Text compares without case, as MySQL's collation does."""
    with closing(sqlite3.connect(":memory:")) as connection:
        for name, table in tables.items():
            columns = [f'"{column[0]}" {_affinity(str(column[1]))}' for column in table.described]
            connection.execute(f'CREATE TABLE "{name}" ({", ".join(columns)})')
            marks = ", ".join("?" * len(columns))
            connection.executemany(f'INSERT INTO "{name}" VALUES ({marks})', table.rows)
        connection.commit()
        return connection.serialize()


def _described(body: str) -> Iterator[tuple[str | None, ...]]:
    lines = [line.strip().rstrip(",") for line in body.splitlines()]
    keys: dict[str, str] = {}
    for line in reversed(lines):  # MySQL names the strongest key: PRIMARY, then UNIQUE
        if match := _KEY.match(line):
            names = re.findall(r"`([^`]+)`", match[2])
            kind = {"PRIMARY KEY": "PRI", "UNIQUE KEY": "UNI", "KEY": "MUL"}[match[1]]
            if kind != "PRI":
                names, kind = names[:1], kind if len(names) == 1 else "MUL"
            keys |= {name: kind for name in names if kind != "MUL" or name not in keys}
    for line in lines:
        if match := _COLUMN.match(line):
            name, kind, rest = match.groups()
            default = re.search(r"DEFAULT '([^']*)'", rest)
            null = "NO" if "NOT NULL" in rest else "YES"
            extra = "auto_increment" if "AUTO_INCREMENT" in rest else ""
            yield name, kind, null, keys.get(name, ""), default[1] if default else None, extra


def _affinity(kind: str) -> str:
    base = kind.partition("(")[0]
    if base not in _NUMBERS:
        return "TEXT COLLATE NOCASE"
    return "INTEGER" if base.endswith("int") else "REAL"


def _rows(values: str) -> Iterator[Row]:
    row: list[str | int | float | None] = []
    at = 0
    while at < len(values):
        if match := _VALUE.match(values, at):
            row.append(_value(*match.groups()))
            at = match.end()
            continue
        if values[at] == ")":
            yield tuple(row)
            row = []
        at += 1


def _value(text: str | None, word: str | None) -> str | int | float | None:
    if text is not None:
        return re.sub(r"\\(.)|''", lambda match: _ESCAPES.get(match[1], match[1]) if match[1] else "'", text)
    if word in (None, "NULL", ";"):
        return None
    assert word is not None
    return int(word) if re.fullmatch(r"-?\d+", word) else float(word)
