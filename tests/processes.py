"""Builds that a test starts, signals and kills, and the processes they leave running."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from tests.tools import Project


class Build:
    """A command in its own process group, as a shell would start it, with both streams in a file."""

    def __init__(self, project: Project, *command: str) -> None:
        self.root = project.root
        self.log = project.root.with_name(f"output-{time.monotonic_ns()}")
        with self.log.open("wb") as file:
            self.process = subprocess.Popen(
                command,
                cwd=project.root,
                env=project.variables(),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                # A shell that runs the tests in the background ignores SIGINT, and the build would inherit that.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            )

    def kill(self, group: bool) -> None:
        """Kill the whole group, as when a machine goes down, or only the first process, as the out-of-memory killer."""
        if group:
            os.killpg(self.process.pid, signal.SIGKILL)
        else:
            self.process.kill()
        self.process.wait()

    def interrupt(self) -> None:
        """Send Ctrl-C: a terminal signals the whole foreground group."""
        os.killpg(self.process.pid, signal.SIGINT)

    def output(self) -> str:
        return self.log.read_text(errors="replace", encoding="utf-8")

    def finish(self, seconds: float = 200) -> str:
        """Wait for the end and return the output; a build that does not end is killed and fails the test."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill(group=True)
            raise AssertionError(f"still running after {seconds} s:\n{self.output()}") from None
        return self.output()


def until(condition: Callable[[], object], seconds: float = 300) -> None:
    """Wait until a condition holds; fail the test after a time limit."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"the condition did not hold within {seconds} s"
        time.sleep(0.02)


def running_in(folder: Path) -> list[str]:
    """Command lines of the processes whose working directory is a folder or below it."""
    return [line for process in psutil.process_iter() if (line := command(process, folder))]


def command(process: psutil.Process, folder: Path) -> str | None:
    """The command line of a process whose working directory is a folder or below it, None for any other."""
    try:
        return " ".join(process.cmdline()) if Path(process.cwd()).is_relative_to(folder) else None
    except (psutil.Error, FileNotFoundError):
        return None  # it has ended
