"""MariaDB in the sandbox in place of InterCode's MySQL: an unprivileged user, no network, data that never changes.

The data folder is made once and kept; a server runs on a copy. Statements that only read run on one shared server, as a
user who may not write. Before any other statement an episode gets a server of its own, on a fresh copy that is thrown
away with it, so that no other episode sees what it changes (the original shares one server and never resets it)."""

import hashlib
import importlib.util
import os
import re
import select
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any

from lemur.agents.episodes.environment import EnvironmentFault
from lemur.agents.intercode.sql.rewards import Result
from lemur.agents.intercode.sql.server import ROWS, SECONDS, reads
from lemur.core.files import ROOT
from lemur.core.records import Record
from lemur.sandbox import Limits, Unavailable, backend
from lemur.sandbox.process import Launch, execute, start_to_last
from lemur.sandbox.users import own_user

PROGRAM = "/usr/sbin/mariadbd"
TABLES = Path("/usr/share/mysql")
READING = ("Select", "Show_view")
WRITING = ("Insert", "Update", "Delete", "Create", "Drop", "References", "Index", "Alter", "Create_view")
SYSTEM_TABLES = ("mysql_system_tables.sql", "mysql_system_tables_data.sql")
INSTALL = "run `make agents`, or as root: apt-get install mariadb-server-core"
START_S = 60.0
NOW = "UNIX_TIMESTAMP('2023-10-10 00:00:00')"
"""The clock of NOW() and the like."""
OPTIONS = (
    *("--no-defaults", "--datadir=/data", "--socket=/data/socket", "--pid-file=/data/pid", "--tmpdir=/data"),
    *("--skip-networking", "--skip-name-resolve", "--secure-file-priv=/box", "--local-infile=0"),
    *("--lower-case-table-names=1", "--sysdate-is-now", "--default-time-zone=+00:00"),
    *("--character-set-server=utf8mb4", "--collation-server=utf8mb4_general_ci"),
    *("--skip-log-bin", "--performance-schema=0", "--skip-symbolic-links", "--max-connections=300"),
    *("--key-buffer-size=1M", "--aria-pagecache-buffer-size=8M", "--innodb-buffer-pool-size=32M"),
    *("--innodb-log-file-size=4M", "--innodb-flush-log-at-trx-commit=0"),
)
LIMITS = Limits(cpu_s=1_000_000, memory_mb=1024, processes=512, file_mb=512, open_files=4096)


def why_missing() -> str | None:
    """Why MariaDB cannot run here, or `None`."""
    if not os.access(PROGRAM, os.X_OK):
        return f"MariaDB is not installed ({PROGRAM} is missing): {INSTALL}"
    if importlib.util.find_spec("pymysql") is None:
        return "the package PyMySQL is missing: run `make setup`"
    try:
        mechanism = backend.layers().mechanism
    except Unavailable as error:
        return str(error)
    return "MariaDB needs namespaces, which this machine does not allow" if mechanism == "landlock" else None


class MariadbServer:
    def __init__(self, dump: str) -> None:
        """Start the shared server. `dump`: what mysqldump wrote. Raises `EnvironmentFault`."""
        self._dump = dump
        self._lock = threading.Lock()
        self.shared = _Process.on_copy(self.prepared)

    @cached_property
    def prepared(self) -> Path:
        """The data folder with the dump loaded, kept below .lemur by the hash of all that decides it."""
        version = subprocess.run([PROGRAM, "--no-defaults", "--version"], capture_output=True, check=True).stdout
        known = [version, self._dump.encode(), Path(__file__).read_bytes()]
        name = hashlib.sha256(b"\0".join(known)).hexdigest()[:16]
        folder = ROOT / ".lemur" / "mariadb" / name
        if not folder.is_dir():
            folder.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=folder.parent, prefix="making-") as scratch:
                made = _prepare(Path(scratch), self._dump)
                with suppress(OSError):  # another process was faster
                    made.rename(folder)
        return folder

    def connect(self, database: str) -> "MariadbConnection":
        return MariadbConnection(self, database)

    def record(self) -> Record:
        connection = _connect(self.shared.socket, "reader", None)
        with connection, connection.cursor() as cursor:
            cursor.execute("SELECT VERSION()")
            return {"server": "mariadb", "version": cursor.fetchone()[0], "seconds": SECONDS}

    def close(self) -> None:
        self.shared.close()


class MariadbConnection:
    """A connection of an episode to the shared server, or to its own once it may have changed data."""

    def __init__(self, server: MariadbServer, database: str) -> None:
        self._server, self._database = server, database
        self._own: _Process | None = None
        self._connection = _connect(server.shared.socket, "reader", database)

    @property
    def changed(self) -> bool:
        return self._own is not None

    def run(self, statement: str) -> Result:
        import pymysql

        if self._own is None and not reads(statement):
            self._connection.close()
            self._own = _Process.on_copy(self._server.prepared)
            self._connection = _connect(self._own.socket, "agent", self._database)
        try:
            with self._connection.cursor() as cursor:
                cursor.execute(statement)
                rows = None if cursor.description is None else list(cursor.fetchmany(ROWS))
                if rows is not None and len(rows) == ROWS:
                    self._reconnect()  # rather than read the rest
                return rows
        except pymysql.err.OperationalError as error:
            if error.args[0] in (2006, 2013):
                self._reconnect()
            return str(error.args[-1])
        except pymysql.err.Error as error:
            return str(error.args[-1])
        except (ValueError, OverflowError) as error:  # a value that Python's types cannot hold
            return str(error)

    def close(self) -> None:
        self._connection.close()
        if self._own is not None:
            self._own.close()
            self._own = None

    def _reconnect(self) -> None:
        self._connection._force_close()
        process = self._own or self._server.shared
        self._connection = _connect(process.socket, "agent" if self._own else "reader", self._database)


class _Process:
    """A server with `data` as its folder."""

    def __init__(self, data: Path, *options: str) -> None:
        self._stack = ExitStack()
        self._delete = ""
        self.socket = data / "socket"
        try:
            launch = self._stack.enter_context(_launch(data, [PROGRAM, *OPTIONS, *options]))
            with open(os.devnull, "r+b") as nothing:
                self.tree = start_to_last(launch, stdin=nothing.fileno(), stdout=nothing.fileno())
            self._stack.callback(self._end)
            self._wait()
        except (OSError, Unavailable) as error:
            self.close()
            raise EnvironmentFault(f"MariaDB does not start in the sandbox: {error}") from error

    @classmethod
    def on_copy(cls, prepared: Path) -> "_Process":
        """A server on a copy of `prepared`, which is deleted when it closes."""
        folder = tempfile.mkdtemp(prefix="lemur-mariadb-")
        try:
            process = cls(shutil.copytree(prepared, Path(folder, "data")))
        except BaseException:
            shutil.rmtree(folder)
            raise
        process._delete = folder
        return process

    def close(self) -> None:
        self._stack.close()
        if self._delete:
            shutil.rmtree(self._delete)
            self._delete = ""

    def _wait(self) -> None:
        deadline = time.monotonic() + START_S
        while not self._listens():
            if self.ended(0.005) or time.monotonic() > deadline:
                assert self.tree.process.stderr is not None
                os.set_blocking(self.tree.process.stderr.fileno(), False)
                raise OSError((self.tree.process.stderr.read() or b"").decode(errors="replace")[-500:])

    def _listens(self) -> bool:
        with socket.socket(socket.AF_UNIX) as trial:
            return trial.connect_ex(str(self.socket)) == 0

    def ended(self, seconds: float) -> bool:
        """Whether it ends within `seconds`."""
        handle = os.pidfd_open(self.tree.process.pid)
        try:
            return bool(select.select([handle], [], [], seconds)[0])
        finally:
            os.close(handle)

    def _end(self) -> None:
        self.tree.end()
        if self.tree.process.stderr is not None:
            self.tree.process.stderr.close()


def _prepare(scratch: Path, dump: str) -> Path:
    """A data folder with MariaDB's own tables, the dump and the users."""
    data = scratch / "data"
    data.mkdir()
    tables = "".join((TABLES / name).read_text(encoding="utf-8") for name in SYSTEM_TABLES)
    script = f"CREATE DATABASE mysql;\nUSE mysql;\n{tables}\n{_users(dump)}"
    channel, channel_end = os.pipe()
    try:
        with _launch(data, [PROGRAM, *OPTIONS, "--bootstrap", "--skip-grant-tables"], [channel_end]) as launch:
            done = execute(
                launch, stdin=script.encode(), channel=channel, max_sleep_s=START_S, wall_s=START_S, output_bytes=65536
            )
    finally:
        os.close(channel)
    if done.returncode or "ERROR:" in done.stderr:
        raise EnvironmentFault(f"MariaDB's data folder cannot be made: {done.stderr[-500:]}")
    loading = _Process(data, "--skip-grant-tables")  # the bootstrap takes no statement of 60,000 bytes
    try:
        without_users = dump[dump.index("CREATE DATABASE") :]
        with _connect(loading.socket, "root", None, several=True) as connection, connection.cursor() as cursor:
            cursor.execute(f"SET SESSION max_statement_time = 0;\n{without_users}")
            while cursor.nextset():
                pass
            cursor.execute("SHUTDOWN")
        loading.ended(START_S)
    finally:
        loading.close()
    return data


def _users(dump: str) -> str:
    """`reader`, and for an episode's own copy `agent`. There is no other user, and neither has a global privilege, such
    as FILE, SUPER or CREATE USER."""
    lines = ["USE mysql;"]
    for user in ("reader", "agent"):
        access = '{"access":0,"plugin":"mysql_native_password","authentication_string":""}'
        lines.append(f"INSERT INTO global_priv VALUES ('localhost', '{user}', '{access}');")
        kinds = READING if user == "reader" else READING + WRITING
        for database in re.findall(r"^USE `(\w+)`;", dump, re.MULTILINE):
            columns = ", ".join(f"{kind}_priv" for kind in kinds)
            values = ", ".join(["'Y'"] * len(kinds))
            lines.append(
                f"INSERT INTO db (Host, Db, User, {columns}) VALUES ('localhost', '{database}', '{user}', {values});"
            )
    return "\n".join(lines) + "\n"


@contextmanager
def _launch(data: Path, argv: list[str], pass_fds: Sequence[int] = ()) -> Iterator[Launch]:
    """A launch of the server in the sandbox, with the folder `data` as its /data."""
    mechanism = backend.layers().mechanism
    with ExitStack() as stack:
        user = stack.enter_context(own_user())
        if os.geteuid() == 0:
            for path in (data, *data.rglob("*")):
                os.chown(path, user, user, follow_symlinks=False)
        yield stack.enter_context(
            backend.prepared(
                mechanism,
                argv,
                files={},
                env={},
                limits=LIMITS,
                binds={},
                pass_fds=pass_fds,
                user=user,
                writable={str(data): "/data"},
            )
        )


def _connect(path: Path, user: str, database: str | None, *, several: bool = False) -> Any:
    """`several`: allow several statements at once."""
    import pymysql
    from pymysql.constants import CLIENT
    from pymysql.cursors import SSCursor

    try:
        return pymysql.connect(
            unix_socket=str(path),
            user=user,
            database=database,
            charset="utf8mb4",
            autocommit=True,
            cursorclass=SSCursor,
            client_flag=CLIENT.MULTI_STATEMENTS if several else 0,
            read_timeout=3 * SECONDS,
            ssl_disabled=True,  # its preparation takes longer than all else, and a socket needs none
            init_command=f"SET SESSION max_statement_time = {SECONDS}, timestamp = {NOW}",
        )
    except pymysql.err.Error as error:
        raise EnvironmentFault(f"MariaDB: {error}") from error
