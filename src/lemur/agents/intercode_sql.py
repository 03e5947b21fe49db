"""InterCode-SQL: questions about databases, explored and answered with queries (paper, Table 5)."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from pydantic import Field

from lemur import sandbox
from lemur.agents.intercode import parsers
from lemur.agents.intercode.sql import dump as dumps
from lemur.agents.intercode.sql import mariadb
from lemur.agents.intercode.sql.machine import SqlMachine
from lemur.agents.intercode.sql.server import Server
from lemur.agents.intercode.sql.sqlite import SqliteServer
from lemur.agents.intercode.stage import Assign, Assignment, InterCodeParams, Language, run
from lemur.benchmark_items.intercode import DUMP, Task
from lemur.benchmark_items.intercode import tasks as read_tasks
from lemur.core.files import read_text
from lemur.core.records import Record
from lemur.evaluation.harness.result import write_skipped
from lemur.sources.fetched import Fetched, load

NAME = "intercode_sql"
LANGUAGE = Language("sql", parsers.sql, parsers.sql_strict)


class Params(InterCodeParams):
    server: Literal["sqlite", "mariadb"] = Field(
        description="what runs the queries: MariaDB in place of MySQL (`make agents`), or the variant SQLite"
    )


def intercode_sql(params: Params, model: Path, benchmark: Path, *, result: Path, samples: Path) -> None:
    """Play the chosen tasks of the fetched `benchmark`; write the result and one episode a line. Without tasks, their
    databases, a sandbox or the server the result is `skipped`."""
    source = load(benchmark)
    tasks = read_tasks(source, NAME)
    if reason := why_skipped(params, source, tasks):
        return write_skipped(NAME, reason, params, result, samples)
    with opened(params, source, tasks) as (assign, config):
        run(NAME, params, LANGUAGE, model, source, tasks, assign, config, result=result, samples=samples)


@contextmanager
def opened(params: Params, source: Fetched, tasks: dict[str, Task]) -> Iterator[tuple[Assign, Record]]:
    """What prepares a task's machine while the server runs, and what the result says of it."""
    text = dump(source)
    schemas = {
        name: {table: [str(column[0]) for column in each.described] for table, each in tables.items()}
        for name, tables in dumps.read(text).items()
    }
    server = start(params.server, text)

    def assign(name: str, task: Task) -> Assignment:
        schema = task.tables or schemas[task.database]
        return Assignment(name, task.hardness, task, schema, lambda rule: SqlMachine(server, task))

    try:
        yield assign, server.record()
    finally:
        server.close()


def why_skipped(params: Params, source: Fetched, tasks: dict[str, Task]) -> str | None:
    if not tasks:
        return f"the source {source.name} is left out, or has no SQL tasks at place {source.place}"
    if params.server == "mariadb":
        return mariadb.why_missing()
    return sandbox.why_unavailable()


def dump(source: Fetched) -> str:
    """Raises `ValueError` if there is not exactly one."""
    files = [file for file in source.files if file.schema == DUMP]
    if len(files) != 1:
        raise ValueError(f"source {source.name}: {len(files)} files of schema {DUMP}; one is allowed")
    return read_text(files[0].path)


def start(server: str, text: str) -> Server:
    return mariadb.MariadbServer(text) if server == "mariadb" else SqliteServer(dumps.read(text))
