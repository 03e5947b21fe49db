"""What the tests of sessions share."""

from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from lemur import sandbox
from lemur.sandbox import backend
from lemur.sandbox.sessions import libraries


def why_not() -> str | None:
    """Why no session can run here, or `None`."""
    try:
        libraries.found()
    except (libraries.Missing, PackageNotFoundError) as error:
        return str(error)
    return sandbox.why_unavailable()


NEEDED = pytest.mark.skipif(why_not() is not None, reason=str(why_not()))


def usable(mechanism: str) -> bool:
    if backend.probe(mechanism) is not None:
        return False
    if mechanism == "landlock":
        try:
            libraries.refuse_unreachable()
        except (sandbox.Unavailable, libraries.Missing):
            return False
    return True


MECHANISMS = [name for name in backend.MECHANISMS if usable(name)]


def goto(receptacle: str) -> str:
    return f"You go to {receptacle}."


def shout(text: str, mark: str = "!") -> str:
    return text.upper() + mark


def children() -> set[str]:
    """This process's children, living or dead; they include a sandbox's orphans, because this process adopts them."""
    return {
        pid
        for task in Path("/proc/self/task").iterdir()
        for pid in (task / "children").read_text(encoding="utf-8").split()
    }
