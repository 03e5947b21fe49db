"""The layers of docs/design.md: `make check` detects an import from a higher layer and an import cycle."""

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


def import_problems(checkout: Path) -> str:
    """The output of import-linter, with the command of `make check`; empty if it finds no problem."""
    environment = {**os.environ, "PYTHONPATH": "src"}
    command = ["lint-imports", "--no-cache"]
    process = subprocess.run(command, cwd=checkout, env=environment, capture_output=True, encoding="utf-8")
    return "" if process.returncode == 0 else process.stdout


def test_rooms_import_from_below(checkout: Path) -> None:
    assert import_problems(checkout) == ""


def test_an_import_from_a_higher_layer_is_detected(checkout: Path) -> None:
    _add(checkout, "core/records.py", "from lemur.pipeline.build import dag")
    assert "lemur.core is not allowed to import lemur.pipeline" in import_problems(checkout)


def test_an_import_cycle_within_a_room_is_detected(checkout: Path) -> None:
    _add(checkout, "corpus/parameters.py", "from lemur.corpus import clean_corpus")
    report = import_problems(checkout)
    assert "No circles BROKEN" in report
    assert ".parameters -> .clean_corpus" in report


def test_a_new_room_needs_a_layer(checkout: Path) -> None:
    (checkout / "src/lemur/attic").mkdir()
    (checkout / "src/lemur/attic/__init__.py").touch()
    assert "attic" in import_problems(checkout)


def _add(checkout: Path, module: str, line: str) -> None:
    path = checkout / "src/lemur" / module
    path.write_text(f"{path.read_text(encoding='utf-8')}\n\n{line}\n", encoding="utf-8")
