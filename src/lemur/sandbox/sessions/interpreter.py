"""The process of a session: starts in the sandbox, runs one cell after another within its time, and is killed whole."""

import os
import signal
import time
import weakref
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from lemur.sandbox import backend
from lemur.sandbox.limits import WALL_PER_CPU, Limits
from lemur.sandbox.process import TICK_S, start_to_last
from lemur.sandbox.procfs import descendants
from lemur.sandbox.sessions import libraries
from lemur.sandbox.sessions.channel import Channel, Ended
from lemur.sandbox.sessions.clock import Clock
from lemur.sandbox.sessions.processes import process_handle, send
from lemur.sandbox.users import own_user

# Not imported, because it imports IPython; it runs inside the sandbox.
_INSIDE = Path(__file__).with_name("inside.py").read_text(encoding="utf-8")
KEPT_CHARACTERS = 65536
"""Characters that the interpreter keeps of what a cell prints."""
START_S = 120.0
"""Wall-clock seconds for the start, which takes 0.3 s on an idle machine."""
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
            source, source_end = os.pipe()
            sink_end, sink = os.pipe()
            self.channel = Channel(source, sink)
            stack.callback(self.channel.close)
            limits = Limits(cpu_s=WALL_PER_CPU * seconds, memory_mb=memory_mb)
            launch = stack.enter_context(
                backend.prepared(
                    self.mechanism,
                    [python.command, "-S", "-s", "-P", "-B", "-c", _INSIDE],
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
                self.tree = start_to_last(launch, stdin=nothing.fileno(), stdout=nothing.fileno())
            stack.callback(self.tree.end)
            self.channel.send({"tools": tools, "seconds": seconds, "kept": KEPT_CHARACTERS})
            self._wait_until_ready()
            # A session that nobody closed ends with its last reference, at the latest with this process.
            self._end = weakref.finalize(self, stack.pop_all().close)

    @property
    def library(self) -> str:
        """The folder in the sandbox of the interpreter's own libraries."""
        command = Path(backend.python(self.mechanism).command)
        return str(command.parents[1] / "lib")

    def close(self) -> None:
        """Kill and reap all its processes. May be called twice."""
        self._end()

    def run(self, cell: int, code: str, serve: Serve) -> str:
        """What the cell printed. `serve(name, arguments)` answers the calls of tools; its time does not count. Raises
        `Ended` if the session cannot go on."""
        if not self.channel.silent():
            raise Ended("its code sent messages after its cell")
        self._signal_all(signal.SIGCONT)
        self.channel.send({"cell": cell, "code": code})
        with process_handle(self.tree.process.pid) as process:
            clock = Clock(self.tree.process.pid, self.seconds)
            happened = True
            while (output := self._answer(cell, serve, clock)) is None:
                if clock.rings(happened):
                    self._alarm()
                happened = self.channel.wait(TICK_S, process)
        self._stop_all()
        return output

    def _answer(self, cell: int, serve: Serve, clock: Clock) -> str | None:
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
        """Stop all processes until the next cell, so that what a cell left behind takes no time from others. A process
        that has its signal starts no other one."""
        signalled: set[int] = set()
        for _ in range(STOPS):
            if not (new := [pid for pid in self._processes() if pid not in signalled]):
                return
            for pid in new:
                send(pid, signal.SIGSTOP, self._processes)
            signalled.update(new)
        raise Ended("its processes could not be stopped after its cell")
