"""The floors of docs/design.md: `make check` sees an import that goes up, and one that closes a circle."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def broken(checkout: Path) -> str:
    """What import-linter says, with the command of `make check`; empty if it finds nothing."""
    environment = {**os.environ, "PYTHONPATH": "src"}
    command = ["lint-imports", "--no-cache"]
    done = subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True, encoding="utf-8")
    return "" if done.returncode == 0 else done.stdout


def test_rooms_import_from_below(checkout: Path) -> None:
    assert broken(checkout) == ""


def test_an_import_from_above_is_seen(checkout: Path) -> None:
    _add(checkout, "core/records.py", "from lemur.pipeline.build import dag")
    assert "lemur.core is not allowed to import lemur.pipeline" in broken(checkout)


def test_a_circle_in_a_room_is_seen(checkout: Path) -> None:
    _add(checkout, "corpus/rules.py", "from lemur.corpus import clean_corpus")
    report = broken(checkout)
    assert "No circles BROKEN" in report
    assert ".rules -> .clean_corpus" in report


def test_a_new_room_needs_a_floor(checkout: Path) -> None:
    (checkout / "src/lemur/attic").mkdir()
    (checkout / "src/lemur/attic/__init__.py").touch()
    assert "attic" in broken(checkout)


def _add(checkout: Path, module: str, line: str) -> None:
    path = checkout / "src/lemur" / module
    path.write_text(f"{path.read_text(encoding='utf-8')}\n\n{line}\n", encoding="utf-8")
