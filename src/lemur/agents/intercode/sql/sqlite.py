"""SQLite in the sandbox as the server of IC-SQL: a variant that needs nothing installed.

Another dialect than MySQL's: some published episodes that succeed there fail here, and the other way round
(docs/agents_intercode.md has the counts). Data cannot be changed. SHOW and DESCRIBE are answered from the dump."""

import re
from collections.abc import Mapping
from contextlib import ExitStack
from functools import lru_cache
from pathlib import Path
from queue import SimpleQueue

from lemur.agents.episodes.environment import EnvironmentFault
from lemur.agents.intercode.sql import inside
from lemur.agents.intercode.sql.dump import Table, as_sqlite
from lemur.agents.intercode.sql.rewards import Result
from lemur.agents.intercode.sql.server import ROWS
from lemur.core import workers
from lemur.core.records import Record
from lemur.evaluation.judging import sql_judge
from lemur.sandbox import Limits, Unavailable, backend
from lemur.sandbox.resident import Died, Resident
from lemur.sandbox.users import own_user

STEPS = 100_000_000
"""Steps of SQLite's virtual machine for a statement, a few seconds; the same on every machine."""
WAIT_S = 120.0
"""Seconds until a process that does not answer is given up; the steps end a statement long before."""
_MODULES = {"server.py": inside, "sql_judge.py": sql_judge}
_NAME = r"[`\"]?(\w+)[`\"]?"
_DESCRIBE = re.compile(
    rf"(?:DESCRIBE|DESC|SHOW\s+(?:FULL\s+)?(?:COLUMNS|FIELDS)\s+(?:FROM|IN))\s+{_NAME}(?:\s+{_NAME})?\s*$",
    re.IGNORECASE,
)
_SHOW = re.compile(r"SHOW\s+(TABLES|DATABASES|SCHEMAS)\s*$", re.IGNORECASE)


class SqliteServer:
    """Processes in the sandbox that hold all databases; any of them answers the next statement."""

    def __init__(self, databases: Mapping[str, Mapping[str, Table]]) -> None:
        self.databases = databases
        self._files = {f"{name}.sqlite": as_sqlite(dict(tables)) for name, tables in databases.items()}
        self._files |= {name: Path(str(module.__file__)).read_bytes() for name, module in _MODULES.items()}
        self._idle: SimpleQueue[tuple[Resident, ExitStack]] = SimpleQueue()
        self._number = workers.count()
        self._cached = lru_cache(256)(self._query)
        for _ in range(self._number):
            self._idle.put(self._start())

    def connect(self, database: str) -> "SqliteConnection":
        if database not in self.databases:
            raise EnvironmentFault(f"no database {database!r}; the dump has {', '.join(self.databases)}")
        return SqliteConnection(self, database)

    def query(self, database: str, statement: str) -> Result:
        """The result, kept for the next time: neither the data nor the clock ever changes."""
        return self._cached(database, statement)

    def _query(self, database: str, statement: str) -> Result:
        resident, stack = self._idle.get()
        question = {"database": database, "statement": statement, "steps": STEPS, "rows": ROWS}
        try:
            answer = resident.ask(question, WAIT_S)
        except Died:  # of memory, by what the statement did
            stack.close()
            resident, stack = self._start()
            answer = {"error": "Lost connection to the server during query"}
        finally:
            self._idle.put((resident, stack))
        return [tuple(row) for row in answer["rows"]] if "rows" in answer else str(answer.get("error"))

    def record(self) -> Record:
        return {"server": "sqlite", "steps": STEPS}

    def close(self) -> None:
        for _ in range(self._number):
            resident, stack = self._idle.get()
            resident.close()
            stack.close()
        self._number = 0

    def _start(self) -> tuple[Resident, ExitStack]:
        stack = ExitStack()
        try:
            mechanism = backend.layers().mechanism
            launch = stack.enter_context(
                backend.prepared(
                    mechanism,
                    [backend.python(mechanism).command, "server.py"],
                    files=self._files,
                    env={},
                    limits=Limits(cpu_s=1_000_000, memory_mb=512),
                    binds={},
                    pass_fds=[],
                    user=stack.enter_context(own_user()),
                )
            )
            return Resident(launch), stack
        except (OSError, Unavailable) as error:
            stack.close()
            raise EnvironmentFault(f"SQLite does not start in the sandbox: {error}") from error


class SqliteConnection:
    changed = False

    def __init__(self, server: SqliteServer, database: str) -> None:
        self._server, self._database = server, database

    def run(self, statement: str) -> Result:
        tables = self._server.databases[self._database]
        if match := _DESCRIBE.match(statement.strip()):
            table = tables.get(match[1].lower())
            if table is None:
                return f"Table '{self._database}.{match[1].lower()}' doesn't exist"
            column = (match[2] or "").lower()
            return [row for row in table.described if not column or str(row[0]).lower() == column]
        if match := _SHOW.match(statement.strip()):
            names = tables if match[1].upper() == "TABLES" else self._server.databases
            return [(name,) for name in names]
        return self._server.query(self._database, statement)

    def close(self) -> None:
        pass
