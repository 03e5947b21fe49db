"""Allows one build at a time in a checkout, and repairs DVC's files after a killed one. Nobody unlocks by hand."""

import fcntl
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import psutil
import yaml

from lemur.core.disk import replace_text

WAIT_S = 60
BUILD_LOCK = Path(".lemur/build.lock")
STAGES_LOCK = Path(".lemur/stages.lock")
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

Result = TypeVar("Result")


def hold_build(root: Path) -> None:
    """Keep every other build out of this checkout until this process ends, however it ends.

    Snakemake removes a stage's outputs before it starts the job, while another build may be reading them. A stage
    under `dvc repro` holds the same lock, shared. Raises `SystemExit` that names the holder if the lock stays held.
    """
    _hold(root / BUILD_LOCK, fcntl.LOCK_EX, WAIT_S)
    # Wait for the stages of a killed build: a training still saves its state, and jobs on a cluster just continue.
    os.close(_hold(root / STAGES_LOCK, fcntl.LOCK_EX, WAIT_S))


def hold_stage(root: Path) -> None:
    """Hold the lock of a stage under Snakemake: the next build waits for it, even if its own build was killed."""
    _hold(root / STAGES_LOCK, fcntl.LOCK_SH, WAIT_S)


def join_builds(root: Path) -> None:
    """Hold the lock of a stage that Snakemake did not start. Raises `SystemExit` if Snakemake is building."""
    _hold(root / BUILD_LOCK, fcntl.LOCK_SH, 0)


def _hold(path: Path, kind: int, wait_s: int) -> int:
    path.parent.mkdir(exist_ok=True)
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    for attempt in range(wait_s + 1):
        try:
            fcntl.flock(file, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(file, 500, 0).decode(errors="replace")
            if attempt == wait_s:
                raise SystemExit(
                    f"Another build is running in this checkout: {holder}. Wait until it finishes, or stop it."
                ) from None
            if not attempt:
                print(f"Waiting for another build in this checkout: {holder}", flush=True)
            time.sleep(1)
        else:
            os.ftruncate(file, 0)
            os.pwrite(file, f"PID {os.getpid()}, {' '.join(sys.argv)}"[:500].encode(errors="backslashreplace"), 0)
            return file  # stays open, which holds the lock, until this process ends
    raise AssertionError("not reached")


def retry_while_locked(read: Callable[[], Result], root: Path) -> Result:
    """The result of `read`, which reads DVC's files; retried while another process writes them.

    Raises `SystemExit` that names the holder if they stay locked, and for any other DVC error.
    """
    from dvc.exceptions import DvcException
    from dvc.lock import LockError
    from dvc.rwlock import RWLockFileCorruptedError, RWLockFileFormatError

    started = time.monotonic()
    for attempt in count():
        try:
            return read()
        except (LockError, RWLockFileCorruptedError, RWLockFileFormatError) as error:
            if not attempt:
                print(f"Waiting for another build: {_describe_holder(error, root)}", flush=True)
            # By the clock, since DVC itself waits three seconds for its lock in each attempt.
            if time.monotonic() - started > WAIT_S:
                holder = _describe_holder(error, root)
                raise SystemExit(f"Another build still holds DVC's lock after {WAIT_S} s: {holder}") from None
            time.sleep(attempt > 0)
            remove_dead_holders(root)
        except DvcException as error:
            raise SystemExit(f"DVC: {error}") from None
    raise AssertionError("not reached")


def _describe_holder(error: Exception, root: Path) -> str:
    """DVC's message about a lock, without its advice to remove it by hand, and the running build, if there is one."""
    message = str(error).partition("If there are no processes")[0].strip()
    build_lock = root / BUILD_LOCK
    holder = build_lock.read_text(errors="replace", encoding="utf-8") if build_lock.exists() else ""
    pid, _, command = holder.removeprefix("PID ").partition(", ")
    is_running = pid.isdecimal() and int(pid) != os.getpid() and not _has_ended({"pid": pid, "cmd": command})
    return f"{message}\nThe build: {holder}" if is_running else message


def remove_dead_holders(root: Path) -> None:
    """Remove ended processes from DVC's lock file, and replace the file if a killed process left half of it.

    DVC lists a process as long as its id is in use. A killed process that nobody reaps stays listed, in a container
    without an init forever; so does one whose id belongs to another process after a power cut.
    """
    from dvc.lock import LockError, make_lock
    from dvc.repo import Repo
    from dvc.rwlock import SCHEMA
    from voluptuous import Invalid

    repo = Repo(str(root))
    folder = Path(repo.tmp_dir)
    hardlink = repo.config["core"].get("hardlink_lock", False)
    path = folder / "rwlock"
    with suppress(LockError, FileNotFoundError):  # somebody is writing it, or nobody has yet
        guard = make_lock(str(folder / "rwlock.lock"), tmp_dir=str(folder), hardlink_lock=hardlink)
        with guard:
            try:
                lock = SCHEMA(json.loads(path.read_text(encoding="utf-8")))
                write = {file: info for file, info in lock["write"].items() if not _has_ended(info)}
                read = {file: [info for info in infos if not _has_ended(info)] for file, infos in lock["read"].items()}
            except (ValueError, Invalid):
                write, read = {}, {}
            replace_text(path, json.dumps({"write": write, "read": read}))


def _has_ended(info: dict[str, Any]) -> bool:
    arguments = str(info["cmd"]).split()[1:]
    try:
        process = psutil.Process(int(info["pid"]))
        words = " ".join(process.cmdline()).split()
        return process.status() == psutil.STATUS_ZOMBIE or not set(arguments) <= set(words)
    except psutil.NoSuchProcess:
        return True
    except psutil.AccessDenied:
        return False


def is_truncated(root: Path) -> bool:
    """Whether dvc.lock ends in the middle of a line, which DVC may read without an error."""
    path = root / "dvc.lock"
    return path.exists() and not path.read_bytes().endswith(b"\n")


def repair_dvc_lock(root: Path) -> bool:
    """Repair a dvc.lock that a killed `dvc repro` left half written. Returns whether it needed repair.

    Keeps complete entries and takes the others from Git's HEAD. No entry is trusted: DVC compares each with the files,
    and its run cache knows every stage that has run. Call this while holding DVC's lock.
    """
    from dvc.utils.serialize import dumps_yaml

    path = root / "dvc.lock"
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return False
    if text.endswith("\n") and _stages(text):
        return False
    lines = text.splitlines()
    starts = [number for number, line in enumerate(lines) if line[:2] == "  " and line[2:3].strip(" -")]
    kept = _stages("\n".join(lines[: starts[-1]])) if starts else {}
    committed = subprocess.run(
        ["git", "show", "HEAD:./dvc.lock"], cwd=root, capture_output=True, encoding="utf-8"
    ).stdout
    stages = {**_stages(committed), **kept}
    if not stages:
        path.unlink()
        return True
    replace_text(path, dumps_yaml({"schema": "2.0", "stages": stages}))
    print(f"dvc.lock: a build was killed while DVC wrote it; kept {len(kept)} entries, the rest from HEAD", flush=True)
    return True


def _stages(text: str) -> dict[str, Any]:
    """The stages in the text of a dvc.lock; empty if DVC would not read it."""
    from dvc.schema import COMPILED_LOCKFILE_SCHEMA
    from voluptuous import Invalid

    try:
        return dict(COMPILED_LOCKFILE_SCHEMA(yaml.load(text, Loader=LOADER))["stages"])
    except (yaml.YAMLError, Invalid, KeyError, TypeError):
        return {}
