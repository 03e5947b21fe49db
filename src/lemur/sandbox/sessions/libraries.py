"""The libraries of a session: IPython, and what the programs in MINT's published trajectories import and is installed
with this project. Nothing else of the environment is visible, so that what is installed beside changes no output.
Other programs can have other libraries in the same way."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from lemur.sandbox import backend

LIBRARIES = ("ipython", "matplotlib", "numpy", "pandas", "scipy", "sympy")
"""Of 3,449 imports of packages in MINT's published trajectories these are 95.6 %; most others need the network
(requests, bs4, wikipedia)."""
TERMINAL = {"jedi", "parso", "prompt-toolkit", "wcwidth"}
"""IPython's dependencies for completion and line editing, which a session without a terminal never imports."""
FOLDER = "/libraries"


class Missing(RuntimeError):
    """A library of the sessions is not installed."""


@contextmanager
def placed(mechanism: str, names: tuple[str, ...] = LIBRARIES) -> Iterator[tuple[str, dict[str, str]]]:
    """The folder inside the sandbox that holds the libraries, and host path -> path inside of what to bind, read-only.

    Raises `Missing`, and `lemur.sandbox.Unavailable` where `mechanism` hides the installed libraries."""
    if mechanism != "landlock":
        yield FOLDER, {path: f"{FOLDER}/{name}" for name, path in found(names).items()}
        return
    refuse_unreachable(names)
    with tempfile.TemporaryDirectory(prefix="lemur-") as folder:
        os.chmod(folder, 0o755)
        for name, path in found(names).items():
            os.symlink(path, Path(folder, name))
        yield folder, {path: path for path in [folder, *found(names).values()]}


@cache
def found(names: tuple[str, ...] = LIBRARIES) -> dict[str, str]:
    """Top-level file or folder of the libraries and their dependencies -> its path on the host."""
    paths: dict[str, str] = {}
    waiting, seen = list(names), set(TERMINAL)
    while waiting:
        name = canonicalize_name(waiting.pop())
        if name in seen:
            continue
        seen.add(name)
        installed = installed_distribution(name)
        for top in top_level(installed):
            paths[top] = str(Path(str(installed.locate_file(top))).resolve())
        for line in installed.requires or []:
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                waiting.append(requirement.name)
    return dict(sorted(paths.items()))


def installed_distribution(name: str) -> Distribution:
    try:
        return distribution(name)
    except PackageNotFoundError:
        raise Missing(f"the sandbox needs the library {name}, which is not installed: run `make setup`") from None


def top_level(installed: Distribution) -> list[str]:
    """The files and folders that the distribution put beside its metadata, by its RECORD."""
    record = installed.read_text("RECORD")
    if record is None:
        raise Missing(f"{installed.metadata['Name']} has no RECORD of its files: install it with pip or uv")
    names = {line.split(",")[0].split("/")[0] for line in record.splitlines()}
    return sorted(
        name
        for name in names
        if name not in ("", "..", "__pycache__") and not name.endswith((".dist-info", ".egg-info", ".pth"))
    )


def refuse_unreachable(names: tuple[str, ...] = LIBRARIES) -> None:
    """Under Landlock the interpreter may be Debian's, and another user must reach the libraries by their path."""
    command = Path(backend.python("landlock").command).resolve()
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    if command.name != version:
        raise backend.Unavailable(f"under landlock sessions would run {command}, but the libraries are for {version}")
    for path in map(Path, found(names).values()):
        if closed := [folder for folder in path.parents if os.geteuid() == 0 and not folder.stat().st_mode & 1]:
            raise backend.Unavailable(
                f"under landlock sessions cannot read {path}: {closed[0]} is closed to other users"
            )
