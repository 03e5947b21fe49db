"""Run one command from outside: feed it, read it with caps, end its whole tree and leave no zombie."""

import contextlib
import ctypes
import json
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

PR_SET_CHILD_SUBREAPER = 36
CHANNEL_BYTES = 65536


@dataclass(frozen=True)
class Completed:
    """How a command ended. `returncode` is negative for a signal; `channel` is what it wrote to its private pipe."""

    returncode: int
    timed_out: bool
    stdout: str
    stderr: str
    truncated: bool
    channel: bytes


@dataclass
class Launch:
    """A command ready to start. `files` are closed after the start; `info` is bubblewrap's --info-fd, if used."""

    argv: Sequence[str]
    env: dict[str, str]
    pass_fds: list[int]
    info: int | None = None
    started: Callable[[int], None] | None = None
    """Called with the process id of the sandbox's first process before its command runs."""


@cache
def adopt_orphans() -> None:
    """Make the sandboxes' first processes children of ours when bubblewrap ends, so that we can reap them: a zombie
    counts against the process limit of its user (facts: 60 runs left 60 zombies and later runs failed)."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def memory_file(content: bytes) -> int:
    """A file descriptor from which `content` can be read."""
    fd = os.memfd_create("lemur", os.MFD_CLOEXEC)
    with open(fd, "wb", closefd=False) as file:
        file.write(content)
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


def execute(launch: Launch, *, stdin: bytes, channel: int, wall_s: float, output_bytes: int) -> Completed:
    """Run to the end or to `wall_s` seconds. `channel` is the reading end of the program's private pipe."""
    adopt_orphans()
    deadline = time.monotonic() + wall_s
    stdin_fd = memory_file(stdin)
    try:
        process = subprocess.Popen(
            launch.argv,
            stdin=stdin_fd,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=launch.env,
            cwd="/",
            pass_fds=launch.pass_fds,
            start_new_session=True,
        )
    finally:
        os.close(stdin_fd)
        for fd in launch.pass_fds:
            os.close(fd)
    first: int | None = None
    try:
        assert process.stdout is not None and process.stderr is not None
        if launch.info is not None:
            first = _first_process(launch.info)
            if first is not None and launch.started is not None:
                launch.started(first)
        readers = {process.stdout.fileno(): output_bytes, process.stderr.fileno(): output_bytes, channel: CHANNEL_BYTES}
        kept, truncated, timed_out = _read(readers, process, deadline)
    finally:
        _end(process, first)
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()
    out, err, private = kept.values()
    return Completed(
        process.returncode, timed_out, out.decode(errors="replace"), err.decode(errors="replace"), truncated, bytes(private)
    )


def _first_process(info: int) -> int | None:
    """Process id in our namespace from bubblewrap's info pipe; `None` if bubblewrap failed before it had one."""
    with open(info, "rb", closefd=False) as file:
        text = file.read()
    return int(json.loads(text)["child-pid"]) if text.strip() else None


def _read(
    caps: dict[int, int], process: "subprocess.Popen[bytes]", deadline: float
) -> tuple[dict[int, bytearray], bool, bool]:
    """Read all pipes until they close or the command has ended; keep at most each one's cap, throw the rest away."""
    kept = {fd: bytearray() for fd in caps}
    truncated = False
    with selectors.DefaultSelector() as selector:
        for fd in caps:
            os.set_blocking(fd, False)
            selector.register(fd, selectors.EVENT_READ)
        ended = os.pidfd_open(process.pid)
        selector.register(ended, selectors.EVENT_READ)
        try:
            done = False
            while selector.get_map():
                # When the command has ended, one pass without waiting empties the pipes that leftovers may hold open.
                ready = selector.select(0 if done else max(0.0, deadline - time.monotonic()))
                if not ready:
                    return kept, truncated, not done
                for key, _ in ready:
                    if key.fd == ended:
                        done = True
                        selector.unregister(ended)
                        continue
                    chunk = _chunk(key.fd)
                    if chunk == b"":
                        selector.unregister(key.fd)
                    elif chunk is not None:
                        room = caps[key.fd] - len(kept[key.fd])
                        kept[key.fd] += chunk[:room]
                        truncated |= len(chunk) > room
                if not done and time.monotonic() >= deadline:
                    return kept, truncated, True
        finally:
            os.close(ended)
    return kept, truncated, False


def _chunk(fd: int) -> bytes | None:
    try:
        return os.read(fd, 65536)
    except BlockingIOError:
        return None


def _end(process: "subprocess.Popen[bytes]", first: int | None) -> None:
    """Kill the tree and wait for it. Killing a pid namespace's first process kills everything in the namespace."""
    for pid in (first, -process.pid):
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    process.wait()
    if first is not None:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(first, 0)
