"""InterCode-SQL: questions about databases, explored and answered with queries (paper, Table 5)."""

from functools import partial
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
from lemur.agents.intercode.stage import Assignment, InterCodeParams, Language, act, open_model, write
from lemur.agents.intercode.texts import read_texts
from lemur.benchmark_items.intercode import DUMP, Task
from lemur.benchmark_items.intercode import tasks as read_tasks
from lemur.core.files import read_text
from lemur.evaluation.harness.asking import choose
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
    text = dump(source)
    schemas = {
        name: {table: [str(column[0]) for column in each.described] for table, each in tables.items()}
        for name, tables in dumps.read(text).items()
    }
    player = open_model(params, LANGUAGE, model, NAME)
    server = start(params.server, text)
    try:
        chosen = choose(list(tasks), params.limit, params.seed, lambda name: name)
        assignments = [
            Assignment(
                name,
                tasks[name].hardness,
                tasks[name],
                tasks[name].tables or schemas[tasks[name].database],
                partial(_machine, server, tasks[name]),
            )
            for name in chosen
        ]
        finished = act(params, LANGUAGE, player, read_texts(source, "sql"), assignments)
        config = server.record()
    finally:
        server.close()
    write(
        NAME,
        params,
        player,
        finished,
        source=source,
        original=len(tasks),
        config=config,
        result=result,
        samples=samples,
    )


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


def _machine(server: Server, task: Task, rule: str) -> SqlMachine:
    return SqlMachine(server, task)
