"""The process of a session: starts in the sandbox, runs one cell after another within its time, and is killed whole."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any

from lemur.sandbox import backend
from lemur.sandbox.limits import WALL_PER_CPU, Limits
from lemur.sandbox.process import TICK_S, start
from lemur.sandbox.procfs import cpu_seconds, descendants, is_asleep
from lemur.sandbox.sessions import inside, libraries
from lemur.sandbox.sessions.channel import Channel, Ended

# Imported only for its path, and so that stages that depend on this module depend on it; it runs inside the sandbox.
_INSIDE = Path(inside.__file__).read_text(encoding="utf-8")
KEPT_CHARACTERS = 65536
"""Characters that the interpreter keeps of what a cell prints."""
START_S = 120.0
"""Wall-clock seconds for the start, which takes 0.3 s on an idle machine."""
GRACE_S = 2.0
"""Seconds after the alarm until the session is killed."""
STOPS = 50
"""Attempts to stop all processes of a session between two cells; a fork bomb takes some."""
ENVIRONMENT = {
    "MPLBACKEND": "agg",
    "MPLCONFIGDIR": "/tmp/matplotlib",
    "COLUMNS": "80",
    **dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1"),
}

Serve = Callable[[str, Mapping[str, Any]], dict[str, str]]


class Interpreter:
    """An IPython in the sandbox. `tools`: name -> parameter -> whether it can be left out.

    Raises `RuntimeError` with what the sandbox reported if it does not start, `lemur.sandbox.Unavailable`, and
    `libraries.Missing`."""

    def __init__(
        self, tools: Mapping[str, Mapping[str, bool]], *, seconds: int, memory_mb: int, mechanism: str | None
    ) -> None:
        self.seconds = seconds
        self.mechanism = mechanism or backend.layers().mechanism
        with ExitStack() as stack:
            user = stack.enter_context(own_user())
            self.packages, binds = stack.enter_context(libraries.placed(self.mechanism))
            python = backend.python(self.mechanism)
            # "" in the path: cells import what they wrote to their folder, as where MINT ran.
            run = "import sys; sys.path.append('')\n" + _INSIDE
            source, source_end = os.pipe()
            sink_end, sink = os.pipe()
            self.channel = Channel(source, sink)
            stack.callback(self.channel.close)
            limits = Limits(cpu_s=WALL_PER_CPU * seconds, memory_mb=memory_mb)
            launch = stack.enter_context(
                backend.prepared(
                    self.mechanism,
                    [python.command, "-S", "-s", "-P", "-B", "-c", run],
                    files={},
                    env={
                        **ENVIRONMENT,
                        "PYTHONPATH": self.packages,
                        backend.PRIVATE_IN: str(sink_end),
                        backend.PRIVATE_OUT: str(source_end),
                    },
                    limits=limits,
                    binds=binds,
                    pass_fds=[sink_end, source_end],
                    user=user,
                )
            )
            with open(os.devnull, "r+b") as nothing:
                starter = _starter(os.getpid())
                self.tree = starter.submit(start, launch, stdin=nothing.fileno(), stdout=nothing.fileno()).result()
            stack.callback(self.tree.end)
            self.channel.send({"tools": tools, "seconds": seconds, "kept": KEPT_CHARACTERS})
            self._wait_until_ready()
            self._closing = stack.pop_all()

    @property
    def library(self) -> str:
        """The folder in the sandbox of the interpreter's own libraries."""
        command = Path(backend.python(self.mechanism).command)
        return str(command.parents[1] / "lib")

    def close(self) -> None:
        """Kill and reap all its processes. May be called twice."""
        self._closing.close()

    def run(self, cell: int, code: str, serve: Serve) -> str:
        """What the cell printed. `serve(name, arguments)` answers the calls of tools; its time does not count. Raises
        `Ended` if the session cannot go on."""
        if not self.channel.silent():
            raise Ended("its code sent messages after its cell")
        self._signal_all(signal.SIGCONT)
        self.channel.send({"cell": cell, "code": code})
        with process_handle(self.tree.process.pid) as process:
            clock = _Clock(self.tree.process.pid, self.seconds)
            while (output := self._answer(cell, serve, clock)) is None:
                clock.count(self.channel.wait(TICK_S, process))
                if clock.rings():
                    self._alarm()
        self._stop_all()
        return output

    def _answer(self, cell: int, serve: Serve, clock: "_Clock") -> str | None:
        """Answer all calls that have arrived; the cell's output if it is done."""
        while message := self.channel.next():
            if message.get("done") == cell:
                return str(message["output"])
            if "call" not in message:
                raise Ended("its code sent a false message")
            with clock.paused():
                answer = serve(message["name"], message["arguments"])
            self.channel.send({"call": message["call"], **answer})
        return None

    def _wait_until_ready(self) -> None:
        stderr = self.tree.process.stderr
        assert stderr is not None
        deadline = time.monotonic() + START_S
        try:
            with process_handle(self.tree.process.pid) as process:
                while not (message := self.channel.next()):
                    self.channel.wait(TICK_S, process)
                    if time.monotonic() > deadline:
                        raise Ended(f"no answer in {START_S:.0f} s")
            if message != {"ready": True}:
                raise Ended(f"it sent {message}")
        except Ended as error:
            self.tree.kill()
            report = stderr.read(65536).decode(errors="replace").strip().splitlines() or [str(error)]
            raise RuntimeError(f"the Python session did not start in {self.mechanism}: {report[-1]}") from None
        finally:
            stderr.close()

    def _processes(self) -> list[int]:
        """All processes of the model's code; bubblewrap's own are not among them."""
        if self.mechanism == "landlock":
            return [self.tree.process.pid]
        return [] if self.tree.first_pid is None else descendants(self.tree.first_pid)

    def _alarm(self) -> None:
        """SIGALRM for the interpreter, the first that bubblewrap started."""
        for pid in self._processes()[:1]:
            send(pid, signal.SIGALRM, self._processes)

    def _signal_all(self, number: int) -> None:
        for pid in self._processes():
            send(pid, number, self._processes)

    def _stop_all(self) -> None:
        """Stop all processes until the next cell, so that what a cell left behind takes no time from others. Once it has
        its signal, a process starts no others."""
        signalled: set[int] = set()
        for _ in range(STOPS):
            if not (new := [pid for pid in self._processes() if pid not in signalled]):
                return
            for pid in new:
                send(pid, signal.SIGSTOP, self._processes)
            signalled.update(new)
        raise Ended("its processes could not be stopped after its cell")


class _Clock:
    """The time of a cell: processor seconds of all its processes, and time in which all of them slept. Waiting for a
    processor or for a tool counts only for tools that never end."""

    def __init__(self, process: int, seconds: int) -> None:
        self.process, self.seconds = process, seconds
        self.cpu_before, self.cpu_s, self.asleep_s = None, 0.0, 0.0
        self.rung = False
        self.checked = time.monotonic()
        self.deadline = self.checked + WALL_PER_CPU * seconds

    def count(self, happened: bool) -> None:
        """Raises `Ended` when the time after the alarm is over. A silent tick counts once, however long it took."""
        now = time.monotonic()
        if now - self.checked < TICK_S:
            return
        self.checked = now
        if not happened and is_asleep(self.process):
            self.asleep_s += TICK_S
        cpu_s = sum(map(cpu_of, [self.process, *descendants(self.process)]))
        self.cpu_before = cpu_s if self.cpu_before is None else self.cpu_before
        self.cpu_s = max(self.cpu_s, cpu_s - self.cpu_before)
        if self.used > self.seconds + GRACE_S or now > self.deadline:
            raise Ended(f"a cell went on after its limit of {self.seconds} seconds")

    @property
    def used(self) -> float:
        return self.cpu_s + self.asleep_s

    def rings(self) -> bool:
        """Whether the limit has been reached, once."""
        rings, self.rung = self.used > self.seconds and not self.rung, self.rung or self.used > self.seconds
        return rings

    @contextmanager
    def paused(self) -> Iterator[None]:
        before = time.monotonic()
        yield
        spent = time.monotonic() - before
        self.deadline += spent
        self.checked += spent


def cpu_of(pid: int) -> float:
    try:
        return cpu_seconds(pid)
    except (FileNotFoundError, ProcessLookupError):
        return 0.0


@contextmanager
def process_handle(pid: int) -> Iterator[int]:
    fd = os.pidfd_open(pid)
    try:
        yield fd
    finally:
        os.close(fd)


def send(pid: int, number: int, processes: Callable[[], list[int]]) -> None:
    """Signal a process that `processes` still lists once its id cannot pass to another one."""
    with contextlib.suppress(ProcessLookupError, PermissionError), process_handle(pid) as handle:
        if pid in processes():
            signal.pidfd_send_signal(handle, number)


@cache
def _starter(process: int) -> ThreadPoolExecutor:
    """The thread that starts all sessions: bubblewrap ends with the thread that started it, which must not be one that
    the caller uses for one cell. `process` is this process's id, since threads do not outlive a fork."""
    return ThreadPoolExecutor(1, "lemur-sessions")


FIRST_USER, USERS = 40000, 20000
_users: set[int] = set()
_lock = Lock()


@contextmanager
def own_user() -> Iterator[int]:
    """A user id that no other session of this process has, and hardly one of another process (see
    `bubblewrap.unused_user`)."""
    with _lock:
        number = 97 * os.getpid() % USERS
        while number in _users:
            number = (number + 1) % USERS
        _users.add(number)
    try:
        yield FIRST_USER + number
    finally:
        with _lock:
            _users.remove(number)
