"""The command line: help that teaches every command, wrong usage, and work that runs as if there were no parser."""

import os
import pty
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from lemur import __main__ as cli
from lemur.commands.app import HEADINGS, app, parse
from tests.tools import ROOT

NAMES = [function.__name__.replace("_", "-") for functions in HEADINGS.values() for function in functions]


def helped(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as end:
        parse([*arguments, "--help"])
    assert end.value.code == 0
    return capsys.readouterr().out


def test_every_command_stands_under_its_heading(capsys: pytest.CaptureFixture[str]) -> None:
    text = helped(capsys)
    assert re.findall(r"^(\w[\w ]*):$", text, re.M) == ["Options", *HEADINGS]
    assert re.findall(r"^  ([a-z][a-z-]+)  ", text, re.M) == NAMES
    assert "..." not in text.replace("[ARGS]...", "")
    assert {info.callback for info in app.registered_commands} == {f for group in HEADINGS.values() for f in group}


@pytest.mark.parametrize("name", NAMES)
def test_each_help_has_a_sentence_and_an_example_that_is_right(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = helped(capsys, name)
    lines = [line.strip() for line in text.splitlines()]
    assert lines[0].startswith(f"Usage: lemur {name}") and "{" not in lines[0]
    assert re.fullmatch(r"[A-Z][^.]*(\.\w+[^.]*)*\.", " ".join(lines[2 : lines.index("", 2)]))
    (example,) = (line.removeprefix("Example: ") for line in lines if line.startswith("Example: "))
    words = [word for word in shlex.split(example) if not word.startswith("MLFLOW_")]
    assert words[:2] == ["lemur", name]
    assert callable(parse(words[1:]))
    assert max(map(len, lines)) <= 80


def test_defaults_metavars_and_choices_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    text = " ".join(helped(capsys, "plan-data").split())
    assert "--cores NUMBER Cores of a machine. [default: 16; x>=1]" in text
    assert "--scale NAME demo, tiny, mirror, instructions, small or paper. [default: paper]" in text
    text = " ".join(helped(capsys, "plan").split())
    assert "--stage <continued_pretraining|instruction_tuning>" in text
    assert "--compile NUMBER Fitting layouts that a search compiles. [default: 4]" in text
    assert "SOURCE <str> Folder name below data/sources. [required]" in " ".join(helped(capsys, "pin").split())


def test_a_terminal_gets_the_same_help_in_boxes() -> None:
    child, terminal = pty.fork()
    if child == 0:
        os.environ.update(COLUMNS="100", TERM="xterm", PYTHONPATH=str(ROOT / "src"))
        os.execv(sys.executable, [sys.executable, "-m", "lemur", "--help"])
    output = b""
    while True:
        try:
            part = os.read(terminal, 65536)
        except OSError:
            break
        output += part
        if not part:
            break
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    text = re.sub(r"\x1b\[[0-9;]*m", "", output.decode())
    assert re.findall(r"╭─ ([\w ]+?) ─+╮", text) == ["Options", *HEADINGS]
    assert re.findall(r"^│ ([a-z][a-z-]+) ", text, re.M) == NAMES


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("", "lemur: Missing command."),
        ("nope", "lemur: No such command 'nope'."),
        ("valid", "Did you mean 'validate', 'eval'?"),
        ("pin", "lemur pin: Missing argument 'SOURCE'."),
        ("pin gsm8k", "lemur pin: Missing argument 'PLACE'."),
        ("run corpus.clean_corpus", "lemur run: Missing argument 'NAME=PATH'."),
        ("check --wat", "lemur check: No such option: --wat"),
        ("pull now", "lemur pull: Got unexpected extra argument(s) (now)"),
        ("open episods", "'episods' is not one of 'report', 'episodes'."),
        ("inspect", "lemur inspect: Missing argument 'STEP'."),
        ("inspect one", "lemur inspect: Invalid value for 'STEP': Input should be a valid integer"),
        ("plan paper --stage base_model", "'base_model' is not one of 'continued_pretraining', 'instruction_tuning'."),
        ("plan-data --cores many", "Invalid value for '--cores': Input should be a valid integer"),
        ("verify report", "'report': stages are named after --stages"),
    ],
)
def test_wrong_usage_is_told_in_three_lines_with_status_2(
    line: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        parse(line.split())
    assert end.value.code == 2
    out, err = capsys.readouterr()
    usage, problem, advice = err.splitlines()
    assert not out and usage.startswith("Usage: lemur") and message in problem
    assert re.fullmatch(r"`lemur( [\w-]+)? --help` explains it\.", advice)


def test_arguments_reach_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[object] = []
    monkeypatch.setattr("lemur.pipeline.build.run_stage.run", lambda *given: calls.append(given))
    for line in ("run a.b --params c x=1 y=2", "run a.b x=1 y=2 --params c", "run --params=c a.b x=1 y=2"):
        parse(line.split())()
        assert calls.pop() == ("a.b", "c", ["x=1", "y=2"])
    monkeypatch.setattr("lemur.pipeline.inspect.verify.verify", lambda *given: calls.append(given) or True)
    for line in ("verify --stages a b --cores 2", "verify --cores 2 --stages a --stages b"):
        with pytest.raises(SystemExit, match="0"):
            parse(line.split())()
        assert calls.pop() == (ROOT, "HEAD", None, ["a", "b"], "2")
    monkeypatch.setattr("lemur.core.scales.switch", lambda *given: calls.append(given))
    parse(["scale", "mine.yaml", "--dry-run"])()
    parse(["scale", "tiny"])()
    assert calls == [(Path("mine.yaml"), True), ("tiny", False)]


@pytest.mark.parametrize("error", [EOFError("x"), KeyboardInterrupt(), BrokenPipeError(32, "x"), ValueError("x")])
def test_an_error_of_the_work_is_not_the_parsers(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise error

    monkeypatch.setattr("lemur.pipeline.build.remote.pull", fail)
    monkeypatch.setattr(sys, "argv", ["lemur", "pull"])
    hook = sys.excepthook
    with pytest.raises(type(error)) as raised:
        cli.main()
    assert raised.value is error and sys.excepthook is hook


def test_a_message_goes_to_stderr_with_status_1_and_a_traceback_is_pythons() -> None:
    environment = {**os.environ, "PYTHONPATH": "src"}
    command = [sys.executable, "-m", "lemur", "scale", "huge"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, encoding="utf-8")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("scale 'huge' is not known")
    code = "import sys, lemur.core.scales as s; s.show = lambda: 1 / 0; sys.argv = ['lemur', 'scale']; "
    code += "from lemur.__main__ import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, encoding="utf-8"
    )
    assert done.returncode == 1
    assert done.stderr.startswith("Traceback (most recent call last):\n")
    assert done.stderr.endswith("ZeroDivisionError: division by zero\n") and "╭" not in done.stderr


def test_the_parser_imports_nothing_else_of_the_project() -> None:
    code = "import sys, lemur.commands.app; print([m for m in sys.modules if m.startswith('lemur.')])"
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, encoding="utf-8")
    assert set(re.findall(r"'lemur\.(\w+)", done.stdout)) == {"commands"}


def test_open_shows_a_page_or_says_what_makes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr("typer.launch", opened.append)
    monkeypatch.setattr("lemur.core.files.ROOT", tmp_path)
    page = tmp_path / "reports/episodes/index.html"
    with pytest.raises(SystemExit, match=r"index\.html is missing; `make reproduce` builds it"):
        parse(["open", "episodes"])()
    page.parent.mkdir(parents=True)
    page.touch()
    parse(["open", "episodes"])()
    assert opened == [str(page)]
