"""The engine `textworld`: ALFWorld's own, in processes with the libraries of `make agents`, never with a model's code.

A process plays several games, so that the seconds it takes to start are spent once; there are as many as workers.
"""

import atexit
import contextlib
import itertools
import json
import os
import select
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from lemur.agents.episodes.environment import EnvironmentFault
from lemur.agents.household.game_file import GameFile
from lemur.core import workers
from lemur.core.files import ROOT
from lemur.core.records import Record
from lemur.evaluation.judging.library_environment import find_environment

ENVIRONMENT = ROOT / ".venv-agents"
REQUIREMENTS = ROOT / "requirements" / "agents.txt"
SCRIPT = Path(__file__).with_name("textworld_server.py")
OPEN_S = 300
"""Longest time for an engine to start and open a game: 5 s on an idle machine."""
COMMAND_S = 60
"""Longest time for one command: 0.1 s on an idle machine."""
LONGEST_REPLY = 1 << 20
"""Bytes."""


def why_missing() -> str | None:
    """Why the engine cannot be used, with the command that installs it, or `None`."""
    found = find_environment(REQUIREMENTS)
    return found if isinstance(found, str) else None


class TextworldGame:
    """Members: see `Game` in game.py."""

    engine = "textworld"

    def __init__(self, file: GameFile, limit: int) -> None:
        """Raises `EnvironmentFault` if the engine is missing or does not open the game."""
        self._number = next(_numbers)
        self._process: Process | None = _least_busy()
        self.puts = file.puts
        self.steps, self.done, self.won = 0, False, False
        try:
            reply = self._process.ask({"open": self._number, "file": str(file.path), "steps": limit}, OPEN_S)
        except EnvironmentFault:
            self.close()
            raise
        # The first paragraph welcomes to TextWorld.
        self.opening = "\n".join(reply["text"].split("\n\n")[1:])
        self._last = self.opening

    def command(self, text: str) -> str:
        if not self.done:
            if self._process is None:
                raise EnvironmentFault("the game is closed")
            reply = self._process.ask({"game": self._number, "command": text}, COMMAND_S)
            self.steps += 1
            self._last, self.done, self.won = reply["text"], reply["done"], reply["won"]
        return self._last

    def close(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.forget(self._number)


class Process:
    """One process of the engine, which answers one request at a time."""

    def __init__(self) -> None:
        """Raises `EnvironmentFault` if the engine is not installed."""
        if reason := why_missing():
            raise EnvironmentFault(f"textworld: {reason}")
        self.games = 0
        self._lock = threading.Lock()
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115
        # alfworld makes the folder that ALFWORLD_DATA names, else one in the home folder, and needs neither.
        environment = {"PATH": "/usr/bin:/bin", "ALFWORLD_DATA": tempfile.gettempdir(), "PYTHONHASHSEED": "0"}
        self._process = subprocess.Popen(
            [str(ENVIRONMENT / "bin/python"), "-s", "-P", "-W", "ignore", str(SCRIPT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=environment,
            start_new_session=True,
        )

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def ask(self, request: Record, seconds: float) -> Record:
        """The reply. Raises `EnvironmentFault` and ends the process if there is none within `seconds` of its turn."""
        with self._lock:
            try:
                self._send(request)
                reply: Record = json.loads(self._line(time.monotonic() + seconds))
            except (OSError, ValueError, EOFError, TimeoutError) as error:
                raise EnvironmentFault(f"textworld: {error or type(error).__name__}{self._end()}") from None
        if "error" in reply:
            raise EnvironmentFault(f"textworld: {reply['error']}")
        return reply

    def forget(self, game: int) -> None:
        with contextlib.suppress(EnvironmentFault):
            self.ask({"close": game}, COMMAND_S)
        self.games -= 1

    def _send(self, request: Record) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        self._process.stdin.flush()

    def _line(self, deadline: float) -> bytes:
        assert self._process.stdout is not None
        output, line = self._process.stdout.fileno(), b""
        while not line.endswith(b"\n"):
            if not select.select([output], [], [], max(0.0, deadline - time.monotonic()))[0]:
                raise TimeoutError("no answer in time")
            if not (part := os.read(output, 1 << 16)):
                raise EOFError("its process ended")
            line += part
            if len(line) > LONGEST_REPLY:
                raise ValueError("an answer without end")
        return line

    def _end(self) -> str:
        """End the process; what it said last."""
        self._process.kill()
        self._process.wait()
        self._errors.seek(0)
        said = self._errors.read().decode(errors="replace").strip().splitlines()
        return f": {said[-1][:300]}" if said else ""

    def end(self) -> None:
        with self._lock:
            self._end()


_numbers = itertools.count(1)
_pool: list[Process] = []
_pool_lock = threading.Lock()


def _least_busy() -> Process:
    """The process for the next game; a new one while there are fewer than workers."""
    with _pool_lock:
        _pool[:] = [process for process in _pool if process.is_alive]
        idle = [process for process in _pool if not process.games]
        if not idle and len(_pool) < workers.count():
            _pool.append(Process())
            idle = _pool[-1:]
        chosen = min(idle or _pool, key=lambda process: process.games)
        chosen.games += 1
        return chosen


@atexit.register
def stop() -> None:
    """End all processes of the engine, and with them their games."""
    with _pool_lock:
        for process in _pool:
            process.end()
        _pool.clear()
