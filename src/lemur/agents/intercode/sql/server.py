"""What runs the statements of IC-SQL: a server, and a connection for each episode."""

from typing import Protocol

from lemur.agents.intercode.sql.rewards import Result
from lemur.core.records import Record

ROWS = 100_000
"""Rows of a result that are read; no gold query has more than 5,000."""
SECONDS = 10
"""Limit of a statement."""
READS = ("SELECT", "SHOW", "DESCRIBE", "DESC", "EXPLAIN")
"""First words of statements that change no data."""


class Connection(Protocol):
    def run(self, statement: str) -> Result:
        """Rows, the text of the server's error, or `None`. Raises `EnvironmentFault`."""
        ...

    @property
    def changed(self) -> bool:
        """Whether a statement may have changed the data that this connection sees."""
        ...

    def close(self) -> None: ...


class Server(Protocol):
    def connect(self, database: str) -> Connection:
        """Raises `EnvironmentFault`. What one connection does to the data, no other sees."""
        ...

    def record(self) -> Record:
        """Its name and settings. Of SQLite no version: Python brings it, so it differs from machine to machine."""
        ...

    def close(self) -> None: ...


def reads(statement: str) -> bool:
    words = statement.split(None, 1)
    return bool(words) and words[0].upper() in READS
