"""Evaluations as stages: killed halfway with kill -9, with one or two workers, with reordered items. 3 minutes."""

import json
import os
import signal
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from lemur.core.records import read_json, read_jsonl
from tests.evaluation import test_humaneval
from tests.evaluation.conftest import fetched
from tests.evaluation.test_gsm8k import lines
from tests.evaluation.test_mmlu import rows
from tests.evaluation.test_stages import model  # noqa: F401
from tests.exact.evaluations import clone, command
from tests.inference.conftest import tokenizer_folder  # noqa: F401
from tests.processes import Build, running_in, until
from tests.tools import Project

pytestmark = pytest.mark.exact

# With one sequence per tile, answers are saved every 8 prompts.
CHANGED: dict[str, Any] = {"limit": None, "tile": 1, "seed": 3}
ITEMS = 96


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    folder = tmp_path_factory.mktemp("clone")
    return clone(folder)


def files(task: str, reverse: bool) -> dict[str, tuple[str, dict[str, str]]]:
    """A benchmark's files; `reverse`: the last item comes first."""

    def ordered(text: str) -> str:
        return "".join(reversed(text.splitlines(keepends=True))) if reverse else text

    if task == "mmlu":
        subject = {"subject": "astronomy"}
        quoted = rows(ITEMS, "test").replace("x\ny", "x y")  # one line each
        return {
            "dev.csv": (rows(5, "dev"), {**subject, "split": "dev"}),
            "test.csv": (ordered(quoted), {**subject, "split": "test"}),
        }
    if task == "gsm8k":
        return {
            "train.jsonl": (lines("train", 3), {"split": "train"}),
            "test.jsonl": (ordered(lines("test", ITEMS)), {"split": "test"}),
        }
    problems = [
        {
            "task_id": f"Own/{number}",
            "prompt": f"# {n}\n{start}",
            "entry_point": name,
            "canonical_solution": body,
            "test": f"def check(candidate):\n    {test}\n",
        }
        for number, (n, (name, start, body, test)) in enumerate(product(range(ITEMS // 3), test_humaneval.PROBLEMS))
    ]
    return {"own.jsonl": (ordered("".join(json.dumps(problem) + "\n" for problem in problems)), {})}


@pytest.mark.parametrize("task", ["mmlu", "gsm8k", "humaneval"])
def test_kill_workers_and_order_change_no_byte(
    task: str,
    project: Project,
    model: Path,  # noqa: F811
    tmp_path: Path,
) -> None:
    for name, reverse in (("raw", False), ("reversed", True)):
        fetched(tmp_path / name / task, task, files(task, reverse))
    answers = tmp_path / "answers"

    def stage_command(raw: str, into: str, workers: int) -> list[str]:
        env, *rest = command(project, task, model, tmp_path / raw, tmp_path / into, **CHANGED)
        return [env, f"LEMUR_WORKERS={workers}", f"LEMUR_ANSWERS={answers / into}", *rest]

    def outputs(into: str) -> tuple[bytes, bytes]:
        return (tmp_path / into / f"{task}.json").read_bytes(), (tmp_path / into / f"{task}.jsonl").read_bytes()

    core = str(min(os.sched_getaffinity(0)))
    project.run("taskset", "--cpu-list", core, *stage_command("raw", "one", 1))
    stage = Build(project, *stage_command("raw", "two", 2))
    until(
        lambda: stage.process.poll() is not None or any(path.stat().st_size for path in answers.glob("two/*/*.jsonl"))
    )
    stage.kill(group=False)
    assert stage.process.returncode == -signal.SIGKILL, stage.output()
    until(lambda: not running_in(project.root), seconds=30)
    (kept,) = answers.glob("two/*/*.jsonl")
    saved = len(kept.read_text(encoding="utf-8").splitlines())
    assert 0 < saved < ITEMS * (4 if task == "mmlu" else 1)
    assert not (tmp_path / "two" / f"{task}.json").exists()
    project.run(*stage_command("raw", "two", 2))
    notes = read_json(project.root / "logs/evaluation/two" / f"{task}.json")
    assert notes["answers"]["reused"] >= saved and notes["answers"]["asked"] > 0
    assert outputs("two") == outputs("one")
    (tmp_path / "two" / f"{task}.json").unlink()
    assert "are on record" in project.run(*stage_command("raw", "two", 1))
    assert outputs("two") == outputs("one")

    project.run(*stage_command("reversed", "reordered", 2))
    assert read_json(tmp_path / "reordered" / f"{task}.json") == read_json(tmp_path / "one" / f"{task}.json")

    def by_prompt(into: str) -> list[tuple[str, dict[str, Any]]]:
        samples = read_jsonl(tmp_path / into / f"{task}.jsonl")
        return sorted((sample["prompt"], {k: v for k, v in sample.items() if k != "id"}) for sample in samples)

    assert by_prompt("reordered") == by_prompt("one")
