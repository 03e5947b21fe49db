"""Programs of recorded trajectories run in the sandbox; without one they are skipped and never counted as failures."""

from pathlib import Path

import pytest

from lemur import sandbox
from lemur.agents.published.rescore import rescore
from lemur.agents.published.tables import cells
from lemur.agents.published.trajectories import read
from lemur.agents.scoring.verdict import Proposal, judge, judge_all
from lemur.benchmark_items.mint import Task
from tests.agents.recorded import published_items, row, write

TESTS = "assert double(2) == 4\nassert double(3) == 6"
ITEM = Task("test", "mbpp", "mbpp/0", "Write double.", TESTS)


@pytest.mark.parametrize(
    ("solution", "passed"),
    [
        ("def double(x):\n    return 2 * x", True),
        ("def double(x):\n    return 4", False),
        ("def double(x) return", False),
        ("import os\nos._exit(0)", False),
        ("raise SystemExit(0)", False),
        ("print('passed')", False),
    ],
)
def test_a_program_is_right_if_its_tests_pass(solution: str, passed: bool) -> None:
    assert judge("mbpp", ITEM, solution) == {"paper": passed, "strict": passed}


def test_set_up_code_runs_only_by_strict() -> None:
    item = Task("test", "mbpp", "mbpp/0", "Write double.", TESTS, setup="factor = 2")
    assert judge("mbpp", item, "def double(x):\n    return factor * x") == {"paper": False, "strict": True}


def test_equal_programs_run_once(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[str] = []

    def run(programs: list[str], **limits: object) -> list[sandbox.Result]:
        ran.extend(programs)
        return [sandbox.Result("passed", "", "", "", False) for _ in programs]

    monkeypatch.setattr(sandbox, "run_python_programs", run)
    number = Task("test", "math", "math/0", "What?", "6")
    verdicts = judge_all([Proposal(ITEM, "x"), Proposal(number, "7"), Proposal(ITEM, "x"), Proposal(ITEM, "y")])
    assert ran == [f"x\n{TESTS}", f"y\n{TESTS}"]
    assert [verdict["paper"] for verdict in verdicts] == [True, False, True, True]


def test_without_a_sandbox_programs_are_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "why_unavailable", lambda: "no bubblewrap")
    path = write(tmp_path, "mbpp", [row(["<solution>x</solution>"], reference=TESTS, name="mbpp", success=True)])
    (one,) = rescore(read(path, "mbpp"))
    assert one.solved == {"paper": None, "strict": None} and one.skipped == "no bubblewrap"
    cell = cells([one])["mbpp"]
    assert (cell["recorded"], cell["paper"], cell["strict"], cell["unknown"]) == (1, None, None, 1)


def test_no_rule_for_a_game_and_no_verdict_on_another_tasks_item() -> None:
    game = Task("test", "alfworld", "alfworld/0", "Put.", "plan")
    with pytest.raises(ValueError, match="no rule for proposals to task 'alfworld'"):
        judge("alfworld", game, "x")
    with pytest.raises(ValueError, match="an item of mbpp, not of math"):
        judge("math", ITEM, "x")


@pytest.mark.parametrize(("task", "number"), [("humaneval", 45), ("mbpp", 91)])
def test_references_in_all_out_and_a_wrong_program_gives_none(task: str, number: int) -> None:
    items = published_items(task)
    right = judge_all([Proposal(item, item.solution) for item in items])
    assert sum(verdict["paper"] for verdict in right) == sum(verdict["strict"] for verdict in right) == number
    wrong = judge_all([Proposal(item, "") for item in items])
    assert not any(verdict["paper"] or verdict["strict"] for verdict in wrong)
