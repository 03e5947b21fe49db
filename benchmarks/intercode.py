"""Episodes of InterCode with the gold command as the only answer, against the same commands without the harness.

PYTHONPATH=src python benchmarks/intercode.py data/raw/intercode/ sqlite|mariadb|host|debian [EPISODES]
"""

import itertools
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

from lemur.agents import intercode_bash, intercode_sql
from lemur.agents.intercode.bash import roots
from lemur.agents.intercode.bash.file_systems import FileSystem
from lemur.agents.intercode.bash.machine import BashMachine, Place
from lemur.agents.intercode.bash.shell import Shell
from lemur.agents.intercode.game import Game, Machine, Rules
from lemur.agents.intercode.sql import dump, mariadb
from lemur.agents.intercode.sql.machine import SqlMachine
from lemur.agents.intercode.texts import read_texts
from lemur.benchmark_items.intercode import Task, tasks
from lemur.core import workers
from lemur.sources.fetched import Fetched, load

Start = Callable[[str, Task], Machine]


def timed(name: str, run: Callable[[tuple[str, Task]], object], items: list[tuple[str, Task]], threads: int) -> float:
    started = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(run, items))
    seconds = time.perf_counter() - started
    print(f"{name}: {len(items)} in {seconds:.1f} s, {60 * len(items) / seconds:.0f} a minute")
    return seconds


def bare_sqlite(source: Fetched, items: list[tuple[str, Task]]) -> float:
    """The agent's and the gold query, on an open connection to each database."""
    databases = dump.read(intercode_sql.dump(source))
    with tempfile.TemporaryDirectory() as folder:
        for name, tables in databases.items():
            Path(folder, name).write_bytes(dump.as_sqlite(tables))

        def run(item: tuple[str, Task]) -> None:
            with closing(sqlite3.connect(Path(folder, item[1].database))) as connection:
                for _ in range(2):
                    connection.execute(item[1].gold).fetchall()

        return timed("the same queries", run, items, 1)


def bare_mariadb(server: mariadb.MariadbServer, items: list[tuple[str, Task]]) -> float:
    def run(item: tuple[str, Task]) -> None:
        with closing(mariadb._connect(server.shared.socket, "reader", item[1].database)) as connection:
            for _ in range(2):
                with connection.cursor() as cursor:
                    try:
                        cursor.execute(item[1].gold)
                        cursor.fetchall()
                    except mariadb_error():
                        pass

    return timed("the same queries", run, items, 1)


def mariadb_error() -> type[Exception]:
    import pymysql

    return pymysql.err.Error


def bare_bash(place: Place, systems: Mapping[str, FileSystem], items: list[tuple[str, Task]]) -> float:
    """The agent's and the gold command, each in a fresh root file system, and git's status after it."""

    def run(item: tuple[str, Task]) -> None:
        for _ in range(2):
            shell = Shell(place.root, systems[item[0].split("/")[1]].tree)
            shell.run(["/bin/bash", "-c", item[1].gold])
            shell.run(["git", "status", "--short"])
            shell.close()

    return timed("the same commands", run, items, 1)


def main() -> None:
    source, kind = load(Path(sys.argv[1])), sys.argv[2]
    count = int(sys.argv[3]) if len(sys.argv) > 3 else None
    stage = intercode_sql if kind in ("sqlite", "mariadb") else intercode_bash
    items = list(itertools.islice(tasks(source, stage.NAME).items(), count))
    texts = read_texts(source, stage.LANGUAGE.name)
    start: Start

    def run(item: tuple[str, Task]) -> None:
        name, task = item
        rules = Rules("paper", 10, stage.LANGUAGE.parse)
        game = Game(texts.opening(task.query, None), texts, rules, lambda: start(name, task))
        game.reset()
        game.step(f"```{stage.LANGUAGE.name}\n{task.gold}\n```")
        game.close()

    if stage is intercode_sql:
        server = intercode_sql.start(kind, intercode_sql.dump(source))
        start = lambda name, task: SqlMachine(server, task)  # noqa: E731
        for item in items:
            run(item)  # opens each table, which takes longer than to read it again
        before = bare_sqlite(source, items) if kind == "sqlite" else bare_mariadb(server, items)  # type: ignore[arg-type]
    else:
        place = Place(roots.folder("intercode_bash") if kind == "debian" else None)
        systems = intercode_bash.build(source, {name.split("/")[1] for name, _ in items}, place)
        start = lambda name, task: BashMachine(place, systems[name.split("/")[1]], task, strict=False)  # noqa: E731
        before = bare_bash(place, systems, items)

    for threads in dict.fromkeys((1, workers.count() + 1)):
        after = timed(f"episodes, {threads} threads", run, items, threads)
        print(f"  {after / before:.2f} times the commands alone")


if __name__ == "__main__":
    main()
