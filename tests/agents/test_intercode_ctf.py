"""IC-CTF from prompt to score."""

from collections.abc import Callable
from pathlib import Path

import pytest

from lemur.agents import intercode_ctf as ctf
from lemur.agents.episodes.environment import Action
from lemur.agents.intercode.bash import capture, roots
from lemur.agents.intercode.bash.file_systems import archive
from lemur.agents.intercode.bash.shell import Shell
from lemur.benchmark_items.intercode import Task, tasks
from lemur.sources.fetched import load
from tests.agents.intercode.tools import play

Source = Callable[..., Path]
pytestmark = pytest.mark.skipif(roots.why_no_namespaces() is not None, reason=str(roots.why_no_namespaces()))


def test_flags_in_all_solved_out(source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result, _ = play(
        ctf, lambda task, prompt: f"submit {task.gold}", source("intercode"), tmp_path, monkeypatch, root="host"
    )
    assert result["results"]["intercode_ctf"]["success,strict"] == 1.0
    assert result["configs"]["intercode_ctf"]["runnable"] == "3 of 3"


def test_a_ctf_task_is_solved_from_its_files(source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each in two turns, with what `setup` made; a wrong flag goes on, `skip` ends."""

    def says(task: Task, prompt: str) -> str:
        if "Output:" not in prompt.rpartition(task.query)[2]:
            return ["cat notes.txt", "base64 -d message.txt", "grep -c [2357] numbers.txt"][task.number or 0]
        return f"submit {task.gold}" if task.gold[8:-1] in prompt.rpartition("Output:")[2] else "skip"

    result, episodes = play(ctf, says, source("intercode"), tmp_path, monkeypatch, root="host")
    assert result["results"]["intercode_ctf"]["success,paper"] == 1.0
    assert [len(each["turns"]) for each in episodes] == [2, 2, 2]


def test_flags_by_both_rules() -> None:
    machine = capture.CaptureMachine(None, Task("", "", "picoCTF{A b}", number=0), {})
    try:
        verdicts = {
            text: ((outcome := machine.act(Action("solution", text))).reward, outcome.right)
            for text in ("submit picoCTF{A b}", "submit picoctf{a", "submit", "submit x")
        }
    finally:
        machine.close()
    # The paper's rule cuts a flag at its first space, so one with a space is never found.
    assert verdicts == {
        "submit picoCTF{A b}": (0, True), "submit picoctf{a": (0, False), "submit": (0, False), "submit x": (0, False),
    }  # fmt: skip


def test_which_tasks_of_the_mirror_can_be_solved(source: Source) -> None:
    fetched = load(source("intercode", "mirror"))
    reasons = ctf.why_not(fetched, tasks(fetched, ctf.NAME))
    assert len(reasons) == 100
    assert sum("live" in str(each) or "internet" in str(each) for each in reasons.values()) == 21
    assert sum(each is None for each in reasons.values()) == 34


def test_ptrace_is_for_ctf_alone() -> None:
    traced = "import ctypes; print(ctypes.CDLL(None).ptrace(0, 0, 0, 0))"
    said = {}
    for tracing in (False, True):
        shell = Shell(None, archive([{"path": "/t", "kind": "file", "mode": "644", "text": ""}]), tracing=tracing)
        said[tracing] = (shell.run(["python3", "-c", traced]).output, shell.run(["unshare", "-r", "true"]).code)
        shell.close()
    assert said == {False: (b"-1\n", 1), True: (b"0\n", 1)}
