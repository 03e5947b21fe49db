"""What a Dask worker does for a stage: compare itself with the stage, take over its settings, run its calls.

A process that the stage starts itself has the stage's code, packages, folder and variables. A Dask worker was started
by someone else, perhaps on another machine and before an edit.
"""

import locale
import os
import pickle
import platform
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lemur.core.environment_variables import stage_settings
from lemur.core.files import PACKAGE
from lemur.core.source_hash import source_hash
from lemur.core.versions import extras, installed

CODE = "src/lemur"
NONE = "none"
# Dask has loaded NumPy before a stage can hand over its settings, and NumPy has read these.
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True)
class Stage:
    """What a worker has to know of the process that it works for."""

    token: str
    """Unique to the pool, so that a worker notices when it starts to work for another one."""
    folder: Path
    """Working directory; the paths of shards are relative to it."""
    probe: Path
    """A file that a worker sees only if it has the stage's file system."""
    variables: dict[str, str]
    """The stage's environment variables as `stage_settings` selects them."""
    versions: dict[str, str]
    """As `versions` gives them in the stage's own process."""


class Exited(Exception):
    """A call raised `SystemExit`, which would end the worker and lose the message."""


def versions(packages: Iterable[str]) -> dict[str, str]:
    """What decides a call's result besides its inputs: hash of the project's code, Python, encoding, packages."""
    files = (path for path in PACKAGE.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    encoding = "utf8" if sys.flags.utf8_mode else locale.getencoding()
    return {
        CODE: source_hash(PACKAGE, files)[:16],
        "Python": platform.python_version(),
        "encoding": encoding.lower().replace("-", ""),
        **{name: installed(name) or NONE for name in packages},
    }


def differences(stage: Stage) -> list[str]:
    """In which ways this process is not one that can work for the stage; empty if it can.

    It is compared as it is now and as it was when it first worked for a stage: it may still run code from before an
    edit. A missing extra (torch) does not count: a call that needs it says so itself.
    """
    now = versions(stage.versions.keys() - {CODE, "Python", "encoding"})
    if not _at_first:
        _at_first.update(now)
    lines = []
    for name, wanted in stage.versions.items():
        then, found = _at_first.get(name, now[name]), now[name]
        if found == NONE and name in extras():
            continue
        if found != wanted:
            lines.append(f"{name}: {found}, the stage has {wanted}")
        elif then != wanted:
            lines.append(f"{name}: {then} when this worker began, the stage has {wanted}")
    for name in THREADS:
        threads = stage.variables.get(name)
        if threads is not None and _threads_at_start[name] not in (None, threads):
            lines.append(f"{name}: {_threads_at_start[name]} when this worker began, the stage has {threads}")
    if not stage.probe.exists():
        lines.append(f"{stage.probe.parent} is another folder here than where the stage runs")
    return lines


def call(stage: bytes, function: bytes, batch: bytes) -> Any:
    """`function(batch)` as in a process that the stage itself started. All three are pickles, so that nothing of the
    project is loaded before the comparison."""
    global _stage, _busy
    own: Stage = pickle.loads(stage)
    _busy = own.token
    try:
        if _stage != own.token:
            if lines := differences(own):
                raise Exited("\n".join(lines))
            _take_over(own)
            _stage = own.token
        return pickle.loads(function)(pickle.loads(batch))
    except SystemExit as error:
        raise Exited(str(error)) from None
    finally:
        _busy = ""


def busy(token: str) -> bool:
    """Whether this worker runs a call for the pool."""
    return _busy == token


# In a worker process: the token of the pool whose settings it has, and of the one that it is running a call for.
_stage = ""
_busy = ""
_at_first: dict[str, str] = {}
_threads_at_start = {name: os.environ.get(name) for name in THREADS}


def _take_over(stage: Stage) -> None:
    os.chdir(stage.folder)
    for name in stage_settings(os.environ):
        del os.environ[name]
    os.environ.update(stage.variables)
