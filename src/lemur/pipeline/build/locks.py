"""One build at a time in a checkout, and DVC's records mended where one was killed. Nothing is unlocked by hand."""

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
BUILD = Path(".lemur/build.lock")
STAGES = Path(".lemur/stages.lock")
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

Result = TypeVar("Result")


def hold_build(root: Path) -> None:
    """Keep every other build out of this checkout until this process ends, however it ends.

    Snakemake removes a stage's outputs before it starts the job; another build may be reading them. A stage that
    `dvc repro` runs holds the same lock, shared. Raises `SystemExit` with the holder where it stays held.
    """
    _hold(root / BUILD, fcntl.LOCK_EX, WAIT_S)
    # Stages of a build that was killed: a training still saves its state, and jobs on a cluster just go on.
    os.close(_hold(root / STAGES, fcntl.LOCK_EX, WAIT_S))


def hold_stage(root: Path) -> None:
    """What a stage holds that Snakemake started: the next build waits for it, also where its own was killed."""
    _hold(root / STAGES, fcntl.LOCK_SH, WAIT_S)


def join_builds(root: Path) -> None:
    """What a stage holds that was not started by Snakemake. Raises `SystemExit` where Snakemake is building."""
    _hold(root / BUILD, fcntl.LOCK_SH, 0)


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
                    f"Another build runs in this checkout: {holder}. Wait until it has finished, or stop it."
                ) from None
            if not attempt:
                print(f"Waiting for another build in this checkout: {holder}", flush=True)
            time.sleep(1)
        else:
            os.ftruncate(file, 0)
            os.pwrite(file, f"PID {os.getpid()}, {' '.join(sys.argv)}"[:500].encode(errors="backslashreplace"), 0)
            return file  # it stays open, and the lock held, until this process ends
    raise AssertionError("not reached")


def patiently(read: Callable[[], Result], root: Path) -> Result:
    """What `read` returns, which reads DVC's records and fails while another process writes them.

    Raises `SystemExit` that says who holds what where it stays so, and for any other error of DVC.
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
                print(f"Waiting for another build: {_held(error, root)}", flush=True)
            # By the clock: in one attempt, DVC itself waits three seconds for its lock.
            if time.monotonic() - started > WAIT_S:
                said = _held(error, root)
                raise SystemExit(f"Another build still holds DVC's lock after {WAIT_S} s: {said}") from None
            time.sleep(attempt > 0)
            forget_the_dead(root)
        except DvcException as error:
            raise SystemExit(f"DVC: {error}") from None
    raise AssertionError("not reached")


def _held(error: Exception, root: Path) -> str:
    """What DVC says of a lock, without its advice to remove it by hand, and the build that runs, where one does."""
    said = str(error).partition("If there are no processes")[0].strip()
    holder = (root / BUILD).read_text(encoding="utf-8", errors="replace") if (root / BUILD).exists() else ""
    pid, _, command = holder.removeprefix("PID ").partition(", ")
    runs = pid.isdecimal() and int(pid) != os.getpid() and not _has_ended({"pid": pid, "cmd": command})
    return f"{said}\nThe build: {holder}" if runs else said


def forget_the_dead(root: Path) -> None:
    """Take processes that have ended out of DVC's lock file, and replace it where a killed one left half of it.

    DVC keeps a process in it as long as its number is in use: a killed one that nobody has reaped is still listed, in
    a container without an init for ever, and so is one whose number something else has got, after a power cut.
    """
    from dvc.lock import LockError, make_lock
    from dvc.repo import Repo
    from dvc.rwlock import SCHEMA
    from voluptuous import Invalid

    repo = Repo(str(root))
    folder = Path(repo.tmp_dir)
    hardlink = repo.config["core"].get("hardlink_lock", False)
    path = folder / "rwlock"
    with suppress(LockError, FileNotFoundError):  # somebody is writing it; nobody has
        guard = make_lock(str(folder / "rwlock.lock"), tmp_dir=str(folder), hardlink_lock=hardlink)
        with guard:
            try:
                lock = SCHEMA(json.loads(path.read_text(encoding="utf-8")))
                write = {of: info for of, info in lock["write"].items() if not _has_ended(info)}
                read = {of: [info for info in infos if not _has_ended(info)] for of, infos in lock["read"].items()}
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


def cut_short(root: Path) -> bool:
    """Whether dvc.lock ends within a line, which DVC may read without a word."""
    path = root / "dvc.lock"
    return path.exists() and not path.read_bytes().endswith(b"\n")


def mend_record(root: Path) -> bool:
    """Make dvc.lock whole where a `dvc repro` was killed while it wrote it; whether there was something to mend.

    Whole entries are kept and the others taken from Git's HEAD. An entry is never believed: DVC compares it with what
    is there, and its run cache knows of every stage that has run. Call this while holding DVC's lock.
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
    print(f"dvc.lock: a build was killed while DVC wrote it; {len(kept)} entries kept, the rest from HEAD", flush=True)
    return True


def _stages(text: str) -> dict[str, Any]:
    """The stages in a text of dvc.lock; empty where it is not one that DVC would read."""
    from dvc.schema import COMPILED_LOCKFILE_SCHEMA
    from voluptuous import Invalid

    try:
        return dict(COMPILED_LOCKFILE_SCHEMA(yaml.load(text, Loader=LOADER))["stages"])
    except (yaml.YAMLError, Invalid, KeyError, TypeError):
        return {}
