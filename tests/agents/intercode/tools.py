"""A model that knows InterCode's gold commands, and the stages' parameters."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType

import pytest

from lemur.benchmark_items.intercode import Task
from lemur.core.records import Record, read_json, read_jsonl
from tests.evaluation.conftest import ASK_FOR_ANSWERS, Oracle

PARAMS: Record = ASK_FOR_ANSWERS | {"max_new_tokens": 512, "turns": 10, "dialogue_limit": 5}


class Actor(Oracle):
    """Answers with `says(task, prompt)`. A task is known by its query in quotes, or at the prompt's end."""

    chat = True

    def __init__(self, tasks: Mapping[str, Task], says: Callable[[Task, str], str]) -> None:
        super().__init__(self._say, context_length=1 << 20)
        self._tasks = sorted(tasks.values(), key=lambda task: -len(task.query))
        self._says = says

    def _say(self, prompt: str) -> str:
        return self._says(next(task for task in self._tasks if task.query in prompt), prompt)


def play(
    stage: ModuleType,
    says: Callable[[Task, str], str],
    source: Path,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    **changes: object,
) -> tuple[Record, list[Record]]:
    """The result and the episodes."""
    from lemur.sources.fetched import load

    actor = Actor(stage.read_tasks(load(source), stage.NAME), says)
    monkeypatch.setattr("lemur.agents.intercode.stage.open_model", lambda *_: actor)
    folder.mkdir(exist_ok=True)
    result, samples = folder / "result.json", folder / "samples.jsonl"
    params = stage.Params.model_validate(PARAMS | changes)
    getattr(stage, stage.NAME)(params, Path("model"), source, result=result, samples=samples)
    return dict(read_json(result)), list(read_jsonl(samples))
