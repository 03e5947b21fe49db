"""Runs one command from outside: feeds it, caps its output, ends its whole process tree and leaves no zombies."""

import contextlib
import ctypes
import json
import os
import resource
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache

from lemur.sandbox.procfs import cpu_seconds, is_asleep

PR_SET_CHILD_SUBREAPER = 36
TICK_S = 0.1
"""Seconds between two checks of whether a silent program sleeps."""


@dataclass(frozen=True)
class Completed:
    """How a command ended. `returncode`: 128 + the signal's number for a signal, as in a shell. `timed_out`: it slept
    too long or reached the wall-clock limit. `channel`: what the command wrote to its private pipe. `truncated`: some
    output was discarded. `cpu_s`: processor seconds of all its processes."""

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
    """Read end of bubblewrap's --info-fd."""
    release: int | None = None
    """Write end of bubblewrap's --block-fd."""
    rlimits: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Soft and hard limits that the sandbox's first process gets, and all others from it."""
    started: Callable[[int], None] | None = None
    """Called with the id of the sandbox's first process before the command starts."""


@cache
def adopt_orphans(process: int) -> None:
    """Make a sandbox's first process our child when bubblewrap ends, so that we can reap it. A zombie counts towards
    its user's process limit (60 runs left 60 zombies, and later runs failed). `process` is this process's id, so that
    the cache does not cover forked children."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def memory_file(content: bytes) -> int:
    """A file descriptor from which `content` can be read."""
    fd = os.memfd_create("lemur", os.MFD_CLOEXEC)
    with open(fd, "wb", closefd=False) as file:
        file.write(content)
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


def execute(
    launch: Launch, *, stdin: bytes, channel: int, max_sleep_s: float, wall_s: float, output_bytes: int
) -> Completed:
    """Run until the end, `max_sleep_s` seconds of sleep or `wall_s` seconds in total. `channel` is the read end of the
    program's private pipe."""
    stdin_fd = memory_file(stdin)
    try:
        tree = start(launch, stdin=stdin_fd, stdout=subprocess.PIPE)
    finally:
        os.close(stdin_fd)
    process = tree.process
    assert process.stdout is not None and process.stderr is not None
    try:
        caps = dict.fromkeys((process.stdout.fileno(), process.stderr.fileno(), channel), output_bytes)
        kept, truncated, timed_out = _read(caps, tree, max_sleep_s, wall_s)
    finally:
        cpu_s = tree.end()
        process.stdout.close()
        process.stderr.close()
    out, err, private = kept.values()
    code = process.returncode if process.returncode >= 0 else 128 - process.returncode
    text = (out.decode(errors="replace"), err.decode(errors="replace"))
    return Completed(code, timed_out, *text, truncated, bytes(private), cpu_s)


def start_to_last(launch: Launch, *, stdin: int, stdout: int) -> "Tree":
    """`start`, from a thread that ends with this process."""
    return _lasting_thread(os.getpid()).submit(start, launch, stdin=stdin, stdout=stdout).result()


@cache
def _lasting_thread(process: int) -> ThreadPoolExecutor:
    """`process` is this process's id, since threads do not outlive a fork."""
    return ThreadPoolExecutor(1, "lemur-sandbox")


def start(launch: Launch, *, stdin: int, stdout: int) -> "Tree":
    """Start the command; its stderr is a pipe. The kernel may kill it when the calling thread ends (bubblewrap's
    --die-with-parent)."""
    adopt_orphans(os.getpid())
    try:
        process = subprocess.Popen(
            launch.argv,
            stdin=stdin,
            stdout=stdout,
            stderr=subprocess.PIPE,
            env=launch.env,
            cwd="/",
            pass_fds=launch.pass_fds,
            start_new_session=True,
        )
    finally:
        for fd in launch.pass_fds:
            os.close(fd)
    tree = Tree(process)
    try:
        _release(launch, tree)
    except BaseException:
        tree.end()
        raise
    return tree


class Tree:
    """The command and, in namespaces, the first process inside; killing that one makes the kernel kill the others."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self.process = process
        self.first_pid: int | None = None
        self.first: int | None = None  # a pidfd, because an id could be reused by the time we use it

    def kill(self) -> None:
        if self.first is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.first, signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)

    def end(self) -> float:
        """Kill and reap all processes; returns the processor seconds they took."""
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


def _release(launch: Launch, tree: Tree) -> None:
    """Read the first process's id from bubblewrap, limit it, pass it to `started`, and only then let the command start.

    A `prlimit` between bubblewrap and the command would take one more millisecond of each run."""
    if launch.info is not None:
        with open(launch.info, "rb") as file:
            text = file.read()
        if text.strip():  # empty if bubblewrap failed before starting a process
            pid = int(json.loads(text)["child-pid"])
            with contextlib.suppress(ProcessLookupError):
                tree.first, tree.first_pid = os.pidfd_open(pid), pid
                for name, limit in launch.rlimits.items():
                    resource.prlimit(pid, getattr(resource, f"RLIMIT_{name.upper()}"), limit)
                if launch.started is not None:
                    launch.started(pid)
    if launch.release is not None:
        with contextlib.suppress(BrokenPipeError):
            os.write(launch.release, b"1")
        os.close(launch.release)


def _read(
    caps: dict[int, int], tree: Tree, max_sleep_s: float, wall_s: float
) -> tuple[dict[int, bytearray], bool, bool]:
    """Read all pipes until the command has ended, keeping at most each one's cap. Returns bytes, truncated, timed out.

    A tick counts as sleep if all processes sleep and nothing was written in it: a process that writes may be waiting
    for us. However long a tick takes on a busy machine, it counts once."""
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
                ticks_asleep += not ready and is_asleep(tree.process.pid)
                if ticks_asleep * TICK_S > max_sleep_s or time.monotonic() > deadline:
                    return kept, truncated, not ended
                for key, _ in ready:
                    if key.fd == end:
                        ended = True
                        tree.kill()  # other processes could hold the pipes open and write forever
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
