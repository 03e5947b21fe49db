"""The layer for containers without namespaces: prepares `launcher.py`, which restricts itself and runs the command."""

import json
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from lemur.sandbox import launcher, seccomp
from lemur.sandbox.limits import Limits
from lemur.sandbox.process import Launch
from lemur.sandbox.users import unused_user

# Imported only for its path; it runs as a program.
_LAUNCHER = Path(launcher.__file__).read_text(encoding="utf-8")
SYSTEM = (
    "/usr",
    "/lib",
    "/lib64",
    "/bin",
    "/etc/ld.so.cache",
    "/etc/alternatives",
    "/dev/null",
    "/dev/zero",
    "/dev/urandom",
)


@contextmanager
def launch(
    argv: Sequence[str],
    *,
    files: Mapping[str, bytes],
    env: Mapping[str, str],
    limits: Limits,
    readable: Sequence[str],
    python: str,
    user: int | None = None,
) -> Iterator[Launch]:
    """A launch with its files in a folder of the host that is removed afterwards. The address space is always limited,
    since shared memory does not count as data."""
    with tempfile.TemporaryDirectory(prefix="lemur-") as folder:
        os.chmod(folder, 0o755)
        for name, content in files.items():
            path = Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            path.chmod(0o644)
        bounded = replace(limits, address_space_mb=limits.address_space_mb or limits.memory_mb + 256)
        rlimits = bounded.rlimits()
        del rlimits["nproc"]  # the filter refuses new processes, and the limit would count all of the user's
        settings = {
            "argv": list(argv),
            "rlimits": rlimits,
            "readable": [*SYSTEM, *readable, folder],
            "folder": folder,
            "user": (unused_user() if user is None else user) if os.geteuid() == 0 else None,
            "filter": seccomp.program("bare").hex(),
            "env": {**env, "HOME": folder},
        }
        launcher_env = {"LD_LIBRARY_PATH": env["LD_LIBRARY_PATH"]} if "LD_LIBRARY_PATH" in env else {}
        yield Launch([python, "-I", "-S", "-B", "-c", _LAUNCHER, json.dumps(settings)], launcher_env)
