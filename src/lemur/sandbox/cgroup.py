"""Limits on memory and processes of a whole sandbox, if this process can create control groups (v2 or v1)."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from itertools import count
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
_numbers = count()


@contextmanager
def group(memory_mb: int, processes: int) -> Iterator[Callable[[int], None] | None]:
    """`with group(...) as add`: `add(pid)` puts a process and its later children under the limits. `add` is `None` if
    this machine allows no groups; see `usable`."""
    if not usable():
        yield None
        return
    folders = _create(memory_mb, processes)

    def add(pid: int) -> None:
        for folder in folders:
            (folder / "cgroup.procs").write_text(str(pid), encoding="utf-8")

    try:
        yield add
    finally:
        _remove(folders)


@cache
def usable() -> bool:
    """Whether a group with a memory limit and a process limit can be created."""
    try:
        _remove(_create(64, 16))
    except OSError:
        return False
    return True


def _create(memory_mb: int, processes: int) -> list[Path]:
    name = f"lemur-{os.getpid()}-{next(_numbers)}"
    memory = str(memory_mb << 20)
    if (ROOT / "cgroup.controllers").exists():
        values = {ROOT / name: {"memory.max": memory, "memory.swap.max": "0", "pids.max": str(processes)}}
    else:
        values = {
            ROOT / "memory" / name: {"memory.limit_in_bytes": memory, "memory.memsw.limit_in_bytes": memory},
            ROOT / "pids" / name: {"pids.max": str(processes)},
        }
    created: list[Path] = []
    try:
        for folder, settings in values.items():
            if folder.exists():  # a killed process with the same id left it, with limits that may forbid these
                _remove([folder])
            folder.mkdir(exist_ok=True)
            created.append(folder)
            for key, value in settings.items():
                if "sw" in key and not (folder / key).exists():
                    continue  # the kernel does not account swap
                (folder / key).write_text(value, encoding="utf-8")
    except OSError:
        _remove(created)
        raise
    return created


def _remove(folders: list[Path]) -> None:
    for folder in folders:
        for wait in (0.0005 * 2**n for n in range(12)):
            try:
                folder.rmdir()
                break
            except FileNotFoundError:
                break
            except OSError:  # its last process is still exiting
                time.sleep(wait)
