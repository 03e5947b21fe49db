"""One line that says what to do: no checkout, a checkout that Git distrusts, no git, a Python that is too old."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lemur.core.tokenizer_json import tokenizer_json
from lemur.inference.text import TextCodec
from lemur.tokens.chatml import ChatTokenizer
from lemur.tokens.tokenizers.tokenizer_folder import open_folder
from tests.tools import ROOT

LEMUR = str(ROOT / "bin/lemur")
PATH = f"{Path(sys.executable).parent}:{os.environ['PATH']}"


def ran(*command: str, cwd: Path = ROOT, **variables: str) -> tuple[int, str]:
    """Exit status and output of a command."""
    environment = {**os.environ, "PATH": PATH, **variables}
    done = subprocess.run(
        command, cwd=cwd, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8"
    )
    return done.returncode, done.stdout


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What of a checkout `lemur` and `make` look at before anything else."""
    root = tmp_path / "check out"
    for name in ("bin/usable_git", "Makefile", "src/lemur/__main__.py", "src/lemur/core/environment_variables.txt"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, root / name)
    return root


def git(tmp_path: Path, answer: str) -> str:
    """A PATH whose git only says `answer`."""
    program = tmp_path / "tools/git"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho "{answer}" >&2\nexit 128\n', encoding="utf-8")
    program.chmod(0o755)
    return f"{program.parent}:{PATH}"


def test_outside_a_checkout(tmp_path: Path) -> None:
    message = "lemur: no checkout of it here or in a folder above: cd into one\n"
    assert ran(LEMUR, "check", cwd=tmp_path) == (1, message)
    assert ran(LEMUR, "check", cwd=Path("/")) == (1, message)


def test_in_a_folder_below_it_works_as_above() -> None:
    status, said = ran(LEMUR, "scale", "huge", cwd=ROOT / "docs/images")
    assert status == 1 and said.startswith("scale 'huge' is not known; the scales are")


def test_the_installed_command_needs_no_active_environment(tmp_path: Path) -> None:
    environment = tmp_path / "environment/bin"
    environment.mkdir(parents=True)
    (environment / "lemur").write_bytes((ROOT / "bin/lemur").read_bytes())
    (environment / "lemur").chmod(0o755)
    (environment / "python").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n', encoding="utf-8")
    (environment / "python").chmod(0o755)
    (tmp_path / "link").symlink_to(environment / "lemur")
    for command in (environment / "lemur", tmp_path / "link"):
        status, said = ran(str(command), "scale", "huge", PATH="/usr/bin:/bin")
        assert status == 1 and said.startswith("scale 'huge' is not known")


def test_a_checkout_that_git_distrusts(checkout: Path, tmp_path: Path) -> None:
    path = git(tmp_path, "fatal: detected dubious ownership in repository at 'x'")
    message = f"run: git config --global --add safe.directory '{checkout}'\n"
    for command in ([LEMUR, "check"], ["make", "-s", "setup"]):
        status, said = ran(*command, cwd=checkout, PATH=path)
        assert status and said.startswith(f"Git distrusts {checkout}, which another user owns; {message}")
    assert ran(LEMUR, "check", cwd=checkout / "src/lemur", PATH=path)[1].endswith(message)


def test_an_archive_is_not_a_checkout(checkout: Path) -> None:
    expected = f"{checkout} is not a Git checkout, which DVC needs; get it with git clone, not as an archive\n"
    assert ran(LEMUR, "check", cwd=checkout, GIT_CEILING_DIRECTORIES=str(checkout.parent)) == (1, expected)


def test_make_without_git_or_python(checkout: Path, tmp_path: Path) -> None:
    tools = tmp_path / "few tools"
    tools.mkdir()
    for name in ("sh", "make", "sed", "tr", "awk", "cat", "sort", "head", "mkdir", "test", "id", "echo"):
        (tools / name).symlink_to(shutil.which(name) or f"/bin/{name}")
    status, said = ran(str(tools / "make"), "-s", "setup", cwd=checkout, PATH=str(tools))
    assert status == 2 and said.splitlines()[0] == "git is missing; install it (Debian: apt-get install git)"
    (tools / "git").symlink_to(shutil.which("true") or "/bin/true")
    status, said = ran(str(tools / "make"), "-s", "setup", cwd=checkout, PATH=str(tools))
    assert status == 2 and said.startswith("Python is missing; install 3.11 or 3.12 with venv")


def test_an_interpreter_that_is_too_old() -> None:
    code = "import runpy, sys; sys.version_info = (3, 9, 2); runpy.run_module('lemur', run_name='__main__')"
    message = "lemur: Python 3.11 or 3.12 is needed, this is 3.9; `make setup`, then use .venv/bin/lemur\n"
    assert ran(sys.executable, "-c", code, PYTHONPATH="src") == (1, message)


@pytest.mark.parametrize("opened", [tokenizer_json, open_folder, ChatTokenizer, lambda path: TextCodec(path, bos=True)])
def test_a_tokenizer_folder_with_only_a_sentencepiece_model(opened: object, tmp_path: Path) -> None:
    (tmp_path / "tokenizer.model").touch()
    with pytest.raises(
        FileNotFoundError, match=r"has only tokenizer\.model; write its tokenizer\.json: python -c"
    ) as error:
        opened(tmp_path)  # type: ignore[operator]
    assert "\n" not in str(error.value)
    (tmp_path / "tokenizer.model").unlink()
    with pytest.raises(FileNotFoundError, match=r"tokenizer\.json is missing, so .* build it with: dvc repro"):
        opened(tmp_path)  # type: ignore[operator]
