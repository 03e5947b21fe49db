"""A model that answers RoboCodeGen's problems as told, and the stage's parameters."""

from collections.abc import Callable
from pathlib import Path

import pytest

from lemur.agents import robocodegen as stage
from lemur.agents.episodes.cell_record import Output
from lemur.agents.robot_code.environment import Limits, judge
from lemur.benchmark_items.robocodegen import Problem, Setting
from lemur.core.records import Record, read_json, read_jsonl
from lemur.sources.fetched import load
from tests.evaluation.conftest import ASK_FOR_ANSWERS, Oracle

PARAMS: Record = ASK_FOR_ANSWERS | {
    "max_new_tokens": 512,
    "turns": 5,
    "examples": "hierarchical",
    "seconds": 10,
    "memory": 1024,
    "error_characters": 2000,
}
LIMITS = Limits(5, 10, 1024, 2000)


class Actor(Oracle):
    """Answers with `says(problem, turn)`; a turn counts from 0."""

    def __init__(self, problems: list[Problem], says: Callable[[Problem, int], str], *, chat: bool) -> None:
        super().__init__(self._say, context_length=1 << 20)
        self.chat = chat  # type: ignore[misc]
        self._problems, self._says = problems, says

    def _say(self, prompt: str) -> str:
        problem = next(problem for problem in self._problems if problem.query in prompt)
        return self._says(problem, prompt.count(" raised an error:"))


def problems_of(source: Path) -> tuple[dict[str, Problem], Setting]:
    """The problems by the name of their function."""
    problems, setting = stage.read_problems(load(source))
    return {problem.name: problem for problem in problems}, setting


def verdict(source: Path, name: str, code: str) -> Output:
    """The verdict on `code` as the answer to the problem of the function `name`."""
    problems, setting = problems_of(source)
    return judge(problems[name], setting, code, LIMITS)


def play(
    says: Callable[[Problem, int], str],
    source: Path,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    chat: bool = True,
    **changes: object,
) -> tuple[Record, list[Record]]:
    """The result and the episodes."""
    actor = Actor(stage.read_problems(load(source))[0], says, chat=chat)
    monkeypatch.setattr(stage, "open_model", lambda *_: actor)
    folder.mkdir(exist_ok=True)
    outputs = {"result": folder / "result.json", "samples": folder / "samples.jsonl"}
    stage.robocodegen(stage.Params.model_validate(PARAMS | changes), Path("model"), source, **outputs)
    return dict(read_json(outputs["result"])), list(read_jsonl(outputs["samples"]))
