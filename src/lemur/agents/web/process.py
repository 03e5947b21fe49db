"""An episode's process: sites and browser in their sandbox, asked over a pipe, killed whole at the end."""

import base64
import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

from lemur.agents.episodes.environment import EnvironmentFault
from lemur.agents.web import sandboxed
from lemur.agents.web.actions import WebAction
from lemur.agents.web.addresses import Addresses
from lemur.core.files import ROOT
from lemur.core.records import Record
from lemur.evaluation.judging.library_environment import find_environment
from lemur.sandbox import bubblewrap, cgroup
from lemur.sandbox.process import adopt_orphans
from lemur.sandbox.users import own_user

REQUIREMENTS = ROOT / "requirements" / "agents.txt"
BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
CLOCK = "2023-06-15T12:00:00Z"
"""What time it is on the project's own sites."""
ANSWER_S = 180
"""Longest time for an answer: 0.2 s, and 2 s for the first one, on an idle machine."""
MEMORY_MB, PROCESSES = 2048, 512


def find_browser() -> str | None:
    """Chromium's path: that in CHROMIUM, else the system's."""
    if named := os.environ.get("CHROMIUM"):
        return named if os.access(named, os.X_OK) else None
    return next((path for name in BROWSERS if (path := shutil.which(name, path="/usr/bin:/usr/local/bin"))), None)


def why_missing() -> str | None:
    """What the browser lacks here, with the command that installs it, or `None`."""
    environment = find_environment(REQUIREMENTS)
    if isinstance(environment, str):
        return environment
    if find_browser() is None:
        return "Chromium is not installed (make agents, as root; or name one in CHROMIUM)"
    return None if bubblewrap.program() else "bwrap is not installed (make setup)"


def browser_version() -> str:
    """What `chromium --version` says; observations depend on it."""
    path = find_browser()
    if path is None:
        return ""
    # The variable keeps Debian's wrapper from reading the user's settings.
    done = subprocess.run([path, "--version"], capture_output=True, encoding="utf-8", env={"HOME": "/nonexistent"})
    return " ".join(done.stdout.split()[:2])


class Process:
    """Sites and browser of one episode, fresh. Its methods raise `EnvironmentFault` if there is no answer."""

    def __init__(self, addresses: Addresses) -> None:
        environment, program = find_environment(REQUIREMENTS), find_browser()
        if isinstance(environment, str) or program is None:
            raise EnvironmentFault(f"webarena: {why_missing()}")
        adopt_orphans(os.getpid())
        self._buffer = b""
        with ExitStack() as stack:
            user = stack.enter_context(own_user())
            command = sandboxed.command(environment, program, user=user, network=not addresses.own)
            self._errors = stack.enter_context(tempfile.TemporaryFile())
            add = stack.enter_context(cgroup.group(MEMORY_MB, PROCESSES))
            info, info_end = os.pipe()
            block, release = os.pipe()
            split = command.index("--")
            command[split:split] = ["--info-fd", str(info_end), "--block-fd", str(block)]
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                env={},  # bubblewrap's environment stays readable in /proc/1/environ
                cwd="/",
                pass_fds=[info_end, block],
                start_new_session=True,
            )
            self._first: int | None = None
            stack.callback(self._kill)
            os.close(info_end)
            os.close(block)
            with open(info, "rb") as file:
                text = file.read().strip()
            if text:
                first = int(json.loads(text)["child-pid"])
                self._first = os.pidfd_open(first)
                if add is not None:
                    add(first)
            with contextlib.suppress(BrokenPipeError):
                os.write(release, b"1")
            os.close(release)
            self._closing = stack.pop_all()
        settings = {
            "own_sites": addresses.own,
            "urls": dict(addresses.urls),
            "program": program,
            "clock": CLOCK if addresses.own else None,
        }
        self._send(settings)

    def open(self, urls: Sequence[str], logins: dict[str, str]) -> Record:
        """Sign in to `logins` (site: address) and open `urls`. Returns observation, url and nodes by number."""
        return self._ask({"do": "open", "urls": list(urls), "logins": logins})

    def act(self, action: WebAction) -> Record:
        """Returns observation, url, nodes and why the action failed, or an empty text."""
        words = {"name": action.name, "element": action.element, "text": action.text, "enter": action.enter}
        return self._ask({"do": "act", "action": {**words, "tab": action.tab}})

    def collect(self, targets: Sequence[Record]) -> tuple[str, list[str]]:
        """The address of the page in front and what is at each target."""
        reply = self._ask({"do": "collect", "targets": list(targets)})
        return reply["url"], reply["contents"]

    def screenshot(self) -> bytes:
        return base64.b64decode(self._ask({"do": "screenshot"})["png"])

    def close(self) -> None:
        """Kill everything. May be called twice."""
        self._closing.close()

    def _ask(self, request: Record) -> Any:
        self._send(request)
        reply = json.loads(self._read_line())
        if "fault" in reply:
            raise EnvironmentFault(f"browser: {reply['fault']}")
        return reply

    def _send(self, message: Record) -> None:
        stdin = self._process.stdin
        assert stdin is not None
        try:
            stdin.write(json.dumps(message).encode() + b"\n")
            stdin.flush()
        except (BrokenPipeError, ValueError):
            raise EnvironmentFault(f"browser: {self._last_words()}") from None

    def _read_line(self) -> bytes:
        stdout = self._process.stdout
        assert stdout is not None
        deadline = time.monotonic() + ANSWER_S
        while b"\n" not in self._buffer:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([stdout], [], [], left)[0]:
                raise EnvironmentFault(f"browser: no answer in {ANSWER_S} s")
            chunk = os.read(stdout.fileno(), 1 << 20)
            if not chunk:
                raise EnvironmentFault(f"browser: {self._last_words()}")
            self._buffer += chunk
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line

    def _last_words(self) -> str:
        """The last line that the process wrote about its end."""
        if self._errors.closed:
            return "it is closed"
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=5)
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        return f"its process ended with {self._process.returncode}: {lines[-1] if lines else 'no message'}"

    def _kill(self) -> None:
        if self._first is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._first, signal.SIGKILL)  # the kernel then kills all others inside
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        if self._first is not None:
            with contextlib.suppress(ChildProcessError):
                os.waitid(os.P_PIDFD, self._first, os.WEXITED)
            os.close(self._first)
            self._first = None
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
