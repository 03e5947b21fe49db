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
from dataclasses import dataclass, field
from functools import cache

from lemur.sandbox.watching import asleep, cpu_seconds

PR_SET_CHILD_SUBREAPER = 36
CHANNEL_BYTES = 65536
TICK_S = 0.1
"""Seconds between two looks at whether a silent program sleeps."""


@dataclass(frozen=True)
class Completed:
    """How a command ended. `returncode` is 128 + the signal's number for a signal, as in a shell; `timed_out` says that
    it slept too long, or that the clock's limit ended it; `channel` is what the command wrote to its private pipe;
    `truncated` says that some output was thrown away; `cpu_s` is the processor seconds of all its processes."""

    returncode: int
    timed_out: bool
    stdout: str
    stderr: str
    truncated: bool
    channel: bytes
    cpu_s: float


@dataclass
class Launch:
    """A command ready to start; its `pass_fds` are closed in this process once it has started."""

    argv: Sequence[str]
    env: dict[str, str]
    pass_fds: list[int] = field(default_factory=list)
    info: int | None = None
    """Reading end of bubblewrap's --info-fd."""
    release: int | None = None
    """Writing end of bubblewrap's --block-fd."""
    started: Callable[[int], None] | None = None
    """Called with the process id of the sandbox's first process before that is released."""


@cache
def adopt_orphans(process: int) -> None:
    """Make a sandbox's first process a child of ours when bubblewrap ends, so that we can reap it: a zombie counts
    against the process limit of its user (60 runs left 60 zombies, and later runs failed). `process` is this
    process's id: a forked child has to ask anew."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def memory_file(content: bytes) -> int:
    """A file descriptor from which `content` can be read."""
    fd = os.memfd_create("lemur", os.MFD_CLOEXEC)
    with open(fd, "wb", closefd=False) as file:
        file.write(content)
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


def execute(
    launch: Launch, *, stdin: bytes, channel: int, asleep_s: float, wall_s: float, output_bytes: int
) -> Completed:
    """Run to the end, to `asleep_s` seconds asleep or to `wall_s` in all. `channel` is the reading end of the program's
    private pipe."""
    adopt_orphans(os.getpid())
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
        for fd in (stdin_fd, *launch.pass_fds):
            os.close(fd)
    assert process.stdout is not None and process.stderr is not None
    tree = _Tree(process)
    try:
        _release(launch, tree)
        caps = {process.stdout.fileno(): output_bytes, process.stderr.fileno(): output_bytes, channel: CHANNEL_BYTES}
        kept, truncated, timed_out = _read(caps, tree, asleep_s, wall_s)
    finally:
        cpu_s = tree.end()
        process.stdout.close()
        process.stderr.close()
    out, err, private = kept.values()
    code = process.returncode if process.returncode >= 0 else 128 - process.returncode
    text = (out.decode(errors="replace"), err.decode(errors="replace"))
    return Completed(code, timed_out, *text, truncated, bytes(private), cpu_s)


class _Tree:
    """The command and, in namespaces, the first process inside: if that is killed the kernel kills all the others."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self.process = process
        self.first_pid: int | None = None
        self.first: int | None = None  # a pidfd: a number could be another process by the time it is used

    def kill(self) -> None:
        if self.first is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.first, signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)

    def end(self) -> float:
        """End all of them, reap them and say how many processor seconds they took."""
        self.kill()
        os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOWAIT)
        cpu_s = cpu_seconds(self.process.pid)
        self.process.wait()
        if self.first is not None and self.first_pid is not None:
            with contextlib.suppress(ChildProcessError):
                os.waitid(os.P_PIDFD, self.first, os.WEXITED | os.WNOWAIT)
                cpu_s += cpu_seconds(self.first_pid)
                os.waitid(os.P_PIDFD, self.first, os.WEXITED)
            os.close(self.first)
        return cpu_s


def _release(launch: Launch, tree: _Tree) -> None:
    """Learn the first process's id from bubblewrap, let `started` see it, and only then let the command begin."""
    if launch.info is not None:
        with open(launch.info, "rb") as file:
            text = file.read()
        if text.strip():  # empty: bubblewrap failed before it had a process
            pid = int(json.loads(text)["child-pid"])
            with contextlib.suppress(ProcessLookupError):
                tree.first, tree.first_pid = os.pidfd_open(pid), pid
                if launch.started is not None:
                    launch.started(pid)
    if launch.release is not None:
        with contextlib.suppress(BrokenPipeError):
            os.write(launch.release, b"1")
        os.close(launch.release)


def _read(caps: dict[int, int], tree: _Tree, asleep_s: float, wall_s: float) -> tuple[dict[int, bytearray], bool, bool]:
    """Read all pipes until the command has ended; keep at most each one's cap. Returns bytes, truncated, timed out.

    A tick counts as slept if nothing was written in it, for whoever writes may wait for us, and if all sleep then.
    However long a tick takes on a busy machine, it counts once."""
    deadline, ticks_asleep = time.monotonic() + wall_s, 0
    kept = {fd: bytearray() for fd in caps}
    truncated = ended = False
    with selectors.DefaultSelector() as selector:
        for fd in caps:
            os.set_blocking(fd, False)
            selector.register(fd, selectors.EVENT_READ)
        end = os.pidfd_open(tree.process.pid)
        selector.register(end, selectors.EVENT_READ)
        try:
            while selector.get_map():
                ready = selector.select(TICK_S)
                ticks_asleep += not ready and asleep(tree.process.pid)
                if ticks_asleep * TICK_S > asleep_s or time.monotonic() > deadline:
                    return kept, truncated, not ended
                for key, _ in ready:
                    if key.fd == end:
                        ended = True
                        tree.kill()  # leftovers may hold the pipes open, and they may write for ever
                        selector.unregister(end)
                        continue
                    try:
                        chunk = os.read(key.fd, 65536)
                    except BlockingIOError:
                        continue
                    if not chunk:
                        selector.unregister(key.fd)
                    room = caps[key.fd] - len(kept[key.fd])
                    kept[key.fd] += chunk[:room]
                    truncated |= len(chunk) > room
        finally:
            os.close(end)
    return kept, truncated, False
