"""Mirrors whose folders are links, as they are where a data set is spread over disks."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lemur.sources.folders import resolve


def names(root: Path, pattern: str) -> list[str]:
    entry: Any = SimpleNamespace(path=pattern)
    return [name for name, _, _ in resolve(root, entry)]


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    for path in ("mirror/code/a.txt", "disk2/b.txt", "disk2/deep/c.txt"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("x", encoding="utf-8")
    return tmp_path / "mirror"


def test_linked_folders_are_followed(mirror: Path, tmp_path: Path) -> None:
    (mirror / "code/more").symlink_to(tmp_path / "disk2")
    (mirror / "code/one.txt").symlink_to(tmp_path / "disk2/b.txt")
    (mirror / "linked").symlink_to("code")
    expected = ["code/a.txt", "code/more/b.txt", "code/more/deep/c.txt", "code/one.txt"]
    assert names(mirror, "code/**/*.txt") == expected
    assert names(mirror, "linked/**/*.txt") == [name.replace("code", "linked", 1) for name in expected]


def test_circles_are_not(mirror: Path, tmp_path: Path) -> None:
    (mirror / "code/self").symlink_to(".")
    (mirror / "code/up").symlink_to("..")
    (mirror / "code/above").symlink_to(tmp_path)
    (mirror / "code/more").symlink_to(tmp_path / "disk2")
    (tmp_path / "disk2/back").symlink_to(mirror)
    (tmp_path / "disk2/deep/round").symlink_to(tmp_path / "disk2")
    (mirror / "code/lost").symlink_to("nowhere")
    assert names(mirror, "**/*.txt") == ["code/a.txt", "code/more/b.txt", "code/more/deep/c.txt"]
