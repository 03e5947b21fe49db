"""The stage `mint_feedback`: the teacher's words reach the model, and the result says what they were worth."""

from collections.abc import Callable
from pathlib import Path

import pytest

from lemur import sandbox
from lemur.agents import mint_feedback as stage
from lemur.agents.mint import read_tasks
from lemur.benchmark_items.mint import Task
from lemur.core.records import read_json, read_jsonl, write_json
from lemur.inference import backends
from lemur.sources.fetched import load
from tests.agents.actors import ACT, SEARCH, Actor, proposes, runs
from tests.evaluation.conftest import Oracle

Source = Callable[..., Path]
TEACHER = {"teacher": {"backend": "jax", "max_new_tokens": 64, "context": None}}
pytestmark = pytest.mark.skipif(not sandbox.available(), reason=str(sandbox.why_unavailable()))


def test_comments_are_read_and_their_worth_is_stated(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks = read_tasks(load(source("mint")))
    seen: list[str] = []

    def comments(prompt: str) -> str:
        seen.append(prompt)
        return "  This is BAD. Compute it.\nTask: and no further"

    class Pupil(Actor):
        """Right only after a comment."""

        def _say(self, prompt: str) -> str:
            self._taught = (
                "Expert feedback:\nThis is BAD. Compute it.\n" in prompt.rpartition("[assistant]Assistant:")[2]
            )
            return super()._say(prompt)

    def says(task: Task, turn: int) -> str:
        if turn == 0:
            return runs("print(6 * 7)")
        return proposes(task.solution if pupil._taught else "zzz")

    pupil = Pupil(tasks, says)
    monkeypatch.setattr(stage, "open_model", lambda *_: pupil)
    monkeypatch.setattr(backends, "open_model", lambda *_, **__: Oracle(comments, context_length=1 << 20))
    without = {"mint": {"success,paper": 0.25, "success,strict": 0.0}, "mint_reasoning": {"success,paper": 0.5}}
    write_json(tmp_path / "mint.json", {"results": without})
    params = stage.Params.model_validate(ACT | SEARCH | TEACHER | {"limit": 1})
    result, samples = tmp_path / "result.json", tmp_path / "samples.jsonl"
    stage.mint_feedback(
        params,
        Path("model"),
        Path("models/teacher"),
        source("mint"),
        tmp_path / "mint.json",
        result=result,
        samples=samples,
    )
    episodes = list(read_jsonl(samples))
    assert len(episodes) == len(seen) == 7  # the last turn of an episode has no comment
    for episode in episodes:
        first, last = episode["turns"]
        assert first["feedback"] == "This is BAD. Compute it."
        assert first["message"].endswith("\n\nExpert feedback:\nThis is BAD. Compute it.\n")
        assert (last["feedback"], episode["solved"]["strict"]) == ("", True)
    assert all("42" in prompt and "NOT GIVEN" in prompt for prompt in seen)
    assert not any("You have 5 turns and 2 solutions" in prompt for prompt in seen)  # neither instructions
    scores = read_json(result)["results"]
    assert scores["mint_feedback"]["delta,strict"] == 1.0
    assert scores["mint_feedback_reasoning"]["delta,paper"] == pytest.approx(
        scores["mint_feedback_reasoning"]["success,paper"] - 0.5
    )
    assert scores["mint_feedback_code"]["delta,paper"] is None  # nothing to compare with
    teacher = read_json(result)["configs"]["mint_feedback"]["teacher"]
    assert (teacher["name"], teacher["backend"]) == ("teacher", "oracle")
