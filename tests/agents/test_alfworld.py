"""The stage `alfworld` with this project's engine: plans win, burnt steps count by the paper's rule only."""

from collections.abc import Callable
from pathlib import Path

import pytest

from lemur import sandbox
from lemur.agents import alfworld as stage
from lemur.agents.household.plan import read_plan
from lemur.core.records import Record, read_json, read_jsonl
from lemur.sources.fetched import load
from tests.agents.actors import ACT, runs
from tests.evaluation.conftest import Oracle

Source = Callable[..., Path]
pytestmark = pytest.mark.skipif(not sandbox.available(), reason=str(sandbox.why_unavailable()))


def play(
    says: Callable[[str], str], source: Source, folder: Path, monkeypatch: pytest.MonkeyPatch, **changes: object
) -> tuple[Record, list[Record]]:
    actor = Oracle(says, context_length=1 << 20)
    monkeypatch.setattr(stage, "open_model", lambda *_: actor)
    result, samples = folder / "result.json", folder / "samples.jsonl"
    params = stage.Params.model_validate(ACT | {"engine": "household", "turns": [2]} | changes)
    stage.alfworld(params, Path("model"), source("alfworld"), source("mint"), result=result, samples=samples)
    return dict(read_json(result)), list(read_jsonl(samples))


def test_plans_win(source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plans = {game.where: read_plan(game.plan) for game in stage.read_games(load(source("alfworld")))}
    openings = {
        world.world.open().reset()[0]["content"].rpartition("Task:\n")[2]: plans[world.world.game.where]
        for world in stage.choose_games(
            stage.Params.model_validate(ACT | {"engine": "household"}),
            stage.read_games(load(source("alfworld"))),
            load(source("mint")),
        )
    }

    def says(prompt: str) -> str:
        calls = next(plan for opening, plan in openings.items() if opening in prompt)
        return runs("\n".join(f"print({call.tool}{call.arguments!r})".replace(",)", ")") for call in calls))

    result, episodes = play(says, source, tmp_path, monkeypatch)
    assert len(episodes) == 6
    assert result["results"]["alfworld"]["success,strict"] == result["results"]["alfworld"]["success,paper"] == 1.0
    assert {each["ended"] for each in episodes} == {"solved"}
    assert result["configs"]["alfworld"]["engine"] == "household"
    assert all(each["turns"][0]["observation"] for each in episodes)


def test_a_game_that_is_over_is_solved_by_the_papers_rule_only(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """alfworld#51: MINT takes `done` for success, and a game is also done after 50 commands."""
    burn = runs("for _ in range(50):\n    seen = look()\nprint(seen)")
    result, episodes = play(lambda prompt: burn, source, tmp_path, monkeypatch, limit=2)
    scores = result["results"]["alfworld"]
    assert (scores["success,paper"], scores["success,strict"]) == (1.0, 0.0)
    assert result["counts"]["alfworld"]["rules_disagree"] == len(episodes) == 2


def test_a_proposed_solution_is_never_right(source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = "<solution> done </solution>"
    result, episodes = play(lambda prompt: done, source, tmp_path, monkeypatch, limit=2)
    assert result["results"]["alfworld"]["success,paper"] == 0.0
    assert {each["ended"] for each in episodes} == {"proposals"}


def test_without_its_engine_it_is_skipped_with_the_command(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage, "why_missing", lambda: "no engine; install it with `make agents`")
    result, episodes = play(lambda prompt: "", source, tmp_path, monkeypatch, engine="textworld")
    assert "make agents" in result["results"]["alfworld"]["skipped"]
    assert episodes == []
