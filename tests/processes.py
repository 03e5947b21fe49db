"""Builds that a test starts, signals and kills, and what they leave running."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from tests.tools import Project


class Build:
    """A command in a process group of its own, as a terminal's shell starts one, with both streams in a file."""

    def __init__(self, project: Project, *command: str) -> None:
        self.root = project.root
        self.output = project.root.with_name(f"output-{time.monotonic_ns()}")
        with self.output.open("wb") as file:
            self.process = subprocess.Popen(
                command,
                cwd=project.root,
                env=project.variables(),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                # A shell that starts the tests in the background has SIGINT ignored, and this would be inherited.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            )

    def kill(self, group: bool) -> None:
        """As a machine that goes down: the whole group, or as an out-of-memory killer: the first process only."""
        if group:
            os.killpg(self.process.pid, signal.SIGKILL)
        else:
            self.process.kill()
        self.process.wait()

    def interrupt(self) -> None:
        """Ctrl-C: a terminal signals the whole foreground group."""
        os.killpg(self.process.pid, signal.SIGINT)

    def said(self) -> str:
        return self.output.read_text(errors="replace", encoding="utf-8")

    def finish(self, seconds: float = 200) -> str:
        """What it said, once it has ended; a build that does not end is killed and fails the test."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill(group=True)
            raise AssertionError(f"still running after {seconds} s:\n{self.said()}") from None
        return self.said()


def until(condition: Callable[[], object], seconds: float = 300) -> None:
    """Wait until something holds; fails the test where it does not come to."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def running_in(folder: Path) -> list[str]:
    """Command lines of the processes that work in a folder or below it."""
    return [line for process in psutil.process_iter() if (line := command(process, folder))]


def command(process: psutil.Process, folder: Path) -> str | None:
    """The command line of a process that works in a folder or below it, None of any other."""
    try:
        return " ".join(process.cmdline()) if Path(process.cwd()).is_relative_to(folder) else None
    except (psutil.Error, FileNotFoundError):
        return None  # it has ended
