"""What Tab completes, as bash asks for it."""

import os
import pty
import select
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lemur.commands import completion
from lemur.commands.app import parse
from lemur.core import scales
from lemur.core.files import DAG, read_yaml
from tests.leaves import expand_matrix
from tests.tools import ROOT


def completed(line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> list[str]:
    monkeypatch.setenv("_LEMUR_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", line)
    monkeypatch.setenv("COMP_CWORD", str(len(line.split(" ")) - 1))
    with pytest.raises(SystemExit) as end:
        parse([])
    assert end.value.code == 0
    return capsys.readouterr().out.split()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("lemur pl", ["plan", "plan-data"]),
        ("lemur check --", ["--params-only", "--cache", "--help"]),
        ("lemur scale ", scales.names()),
        ("lemur plan p", ["paper"]),
        ("lemur plan-data --scale t", ["tiny"]),
        ("lemur plan paper --stage ", ["continued_pretraining", "instruction_tuning"]),
        ("lemur plan paper --machine v4-1", ["v4-128"]),
        ("lemur inspect 1 --run b", ["base_model"]),
        ("lemur pin gs", ["gsm8k"]),
        ("lemur pin gsm8k ", ["bundled", "mirror", "hub"]),
        ("lemur pin nosuch ", []),
        ("lemur why fetch@o", ["fetch@oasst1", "fetch@openorca"]),
        ("lemur verify --stages da", ["data"]),
        ("lemur verify --stages data spl", ["split_corpus"]),
        ("lemur run corpus.sp", ["corpus.split_corpus"]),
        ("lemur run tokens.mix_corpus --params mix_c", ["mix_corpus.base", "mix_corpus.lemur"]),
        ("lemur lineage models/lemur_c", ["models/lemur_chat/"]),
        ("lemur eval x --tasks gs", ["gsm8k"]),
        ("lemur eval x --tasks mmlu,m", ["mmlu,mbpp", "mmlu,multipl_e", "mmlu,mint"]),
    ],
)
def test_names_are_completed(
    line: str, words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert completed(line, monkeypatch, capsys) == words


def test_stages_are_those_of_dvc_yaml() -> None:
    assert completion.stages() == [name for name, _, _ in expand_matrix(read_yaml(DAG))]
    assert "reports/eval/base/mmlu.json" in completion.outputs()


def test_what_cannot_be_read_completes_to_nothing(tmp_path, monkeypatch, capsys) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "dvc.yaml").write_text("stages: [", encoding="utf-8")
    monkeypatch.setattr("lemur.core.files.DAG", tmp_path / "dvc.yaml")
    assert completed("lemur why ", monkeypatch, capsys) == []


def script(shell: str) -> str:
    """What `lemur --install-completion` adds to a shell's start."""
    environment = {**os.environ, "PYTHONPATH": "src", "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    command = [sys.executable, "-m", "lemur", "--show-completion", shell]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, encoding="utf-8", check=True).stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_installed_for_the_lemur_command(shell: str) -> None:
    assert f"_LEMUR_COMPLETE=complete_{shell}" in script(shell)


SHELLS = {"bash": (["--norc"], ""), "zsh": (["-f"], "autoload -Uz compinit && compinit -u -D\n")}


@pytest.mark.parametrize("shell", SHELLS)
def test_tab_completes_in_a_real_shell(shell: str, tmp_path: Path) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    options, before = SHELLS[shell]
    (tmp_path / "lemur").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m lemur "$@"\n', encoding="utf-8")
    (tmp_path / "lemur").chmod(0o755)
    (tmp_path / "start").write_text(f"{before}{script(shell)}\necho ready\n", encoding="utf-8")
    path = f"{tmp_path}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHONPATH": "src", "TERM": "dumb", "HOME": str(tmp_path)}
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [shell, *options, "-i"], cwd=ROOT, env=environment, stdin=theirs, stdout=theirs, stderr=theirs
    ) as process:
        os.write(ours, f"source {tmp_path}/start\n".encode())
        seen = read_until(ours, b"ready\r\n")
        os.write(ours, b"lemur why split_c\t")
        seen += read_until(ours, b"lemur why split_corpus ")
        process.kill()
    os.close(ours)
    os.close(theirs)
    assert b"lemur why split_corpus " in seen


def read_until(terminal: int, what: bytes) -> bytes:
    """What the shell prints, up to `what`, or until it has printed nothing for 60 seconds."""
    seen = b""
    while what not in seen and select.select([terminal], [], [], 60)[0]:
        seen += os.read(terminal, 4096)
    return seen
