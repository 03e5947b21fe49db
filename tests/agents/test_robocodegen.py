"""The stage `robocodegen`: episodes, what the model reads, results, and the same bytes however it runs."""

from collections.abc import Callable
from pathlib import Path

import pytest

from lemur.agents import robocodegen as stage
from lemur.agents.robot_code import program
from lemur.benchmark_items.robocodegen import Problem, read
from lemur.core import workers
from lemur.core.records import read_json
from lemur.inference.answers.cache import CachedModel
from lemur.sources.fetched import BadRecord, load
from tests.agents.robot_code.tools import PARAMS, Actor, play
from tests.evaluation.conftest import file

sandboxed = pytest.mark.skipif(program.why_missing() is not None, reason=str(program.why_missing()))
NOT_DEFINED = "no code at all"


def right(problem: Problem, turn: int) -> str:
    return f"Here it is:\n```python\n{problem.reference}```\nDone."


def second_time_right(problem: Problem, turn: int) -> str:
    return problem.reference if turn else f"def {problem.name}(*inputs):\n    return undefined_helper(*inputs)"


@sandboxed
def test_an_error_message_then_success(
    source: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result, episodes = play(second_time_right, source("robocodegen"), tmp_path, monkeypatch, limit=2)
    assert result["results"]["robocodegen"]["success,strict"] == 1.0
    assert result["n-samples"]["robocodegen"] == {"original": 8, "effective": 2}
    assert result["configs"]["robocodegen"]["data"]["sample"] is True
    for episode in episodes:
        first, second = episode["turns"]
        assert "NameError: name 'undefined_helper' is not defined" in first["observation"]
        assert first["message"].startswith("This code raised an error:\n") and first["observation"] in first["message"]
        assert (first["ended"], second["ended"], second["observation"]) == (None, "solved", "")


@sandboxed
def test_a_wrong_result_ends_the_episode_without_a_hint(
    source: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    says = "def {}(*inputs):\n    return -1".format
    result, episodes = play(lambda problem, _: says(problem.name), source("robocodegen"), tmp_path, monkeypatch)
    assert result["results"]["robocodegen"]["success,paper"] == 0.0
    assert result["counts"]["robocodegen"]["ended_wrong"] == 8
    for episode in episodes:
        (turn,) = episode["turns"]
        assert (turn["observation"], turn["message"], turn["ended"]) == ("", "", "wrong")


@sandboxed
def test_strict_judges_the_first_code_that_runs_by_its_own_rule(
    source: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def says(problem: Problem, turn: int) -> str:
        return problem.reference if turn else f"import numpy\ndef {problem.name}(*inputs):\n    return -1"

    result, episodes = play(says, source("robocodegen"), tmp_path, monkeypatch, limit=2)
    assert "must not contain 'import'" in episodes[0]["turns"][0]["message"]
    scores = result["results"]["robocodegen"]
    assert (scores["success,paper"], scores["success,strict"]) == (1.0, 0.0)


@sandboxed
def test_as_many_answers_as_allowed(
    source: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, episodes = play(lambda *_: NOT_DEFINED, source("robocodegen"), tmp_path, monkeypatch, turns=3, limit=1)
    assert [turn["ended"] for turn in episodes[0]["turns"]] == [None, None, "turns"]
    assert [turn["left"]["turns"] for turn in episodes[0]["turns"]] == [2, 1, 0]


@sandboxed
def test_the_completion_is_the_originals(
    source: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompts: list[str] = []

    def says(problem: Problem, turn: int) -> str:
        return f"\n{second_time_right(problem, turn)}\n# define function: y = more(x).\ndef more(x):\n    return x"

    generate = Actor.generate
    monkeypatch.setattr(
        Actor, "generate", lambda actor, asked, **kw: (prompts.extend(asked), generate(actor, asked, **kw))[1]
    )
    result, episodes = play(says, source("robocodegen"), tmp_path, monkeypatch, chat=False, limit=1, examples="flat")
    problems, setting = stage.read_problems(load(source("robocodegen")))
    query = next(problem.query for problem in problems if problem.id == episodes[0]["id"])
    assert prompts[0] == f"{setting.prompts['flat']}\n{query}"
    assert prompts[1].startswith(prompts[0] + "\ndef ") and prompts[1].endswith(f"is not defined\n{query}")
    assert prompts[1].count("# The function above raised an error:") == 1 and "more" not in prompts[1]
    assert result["configs"]["robocodegen"]["stop"] == ["# define function:", "# example:"]
    assert result["results"]["robocodegen"]["success,paper"] == 1.0


@sandboxed
def test_equal_bytes_for_any_workers_order_and_after_an_interruption(
    source: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = source("robocodegen")
    play(second_time_right, folder, tmp_path / "one", monkeypatch, limit=4)

    monkeypatch.setattr(workers, "count", lambda: 2)
    monkeypatch.setenv("LEMUR_ANSWERS", str(tmp_path / "others"))
    problems = stage.read_problems(load(folder))[0]
    chosen = stage.choose_problems(stage.Params.model_validate(PARAMS | {"limit": 4}), problems)
    asked = 0

    def interrupted(problem: Problem, turn: int) -> str:
        nonlocal asked
        asked += 1
        if asked == 6:  # in the second turn
            raise KeyboardInterrupt
        return second_time_right(problem, turn)

    actor = Actor(problems, interrupted, chat=True)
    answers = tmp_path / "answers.jsonl"
    monkeypatch.setattr(stage, "choose_problems", lambda *_: list(reversed(chosen)))
    params = stage.Params.model_validate(PARAMS | {"limit": 4})
    outputs = {"result": tmp_path / "result.json", "samples": tmp_path / "samples.jsonl"}
    for _ in range(2):
        monkeypatch.setattr(stage, "open_model", lambda *_: CachedModel(actor, answers, portion=1))
        try:
            stage.robocodegen(params, Path("model"), folder, **outputs)
        except KeyboardInterrupt:
            assert not outputs["samples"].exists()
    lines = outputs["samples"].read_text(encoding="utf-8").splitlines()
    assert list(reversed(lines)) == (tmp_path / "one/samples.jsonl").read_text(encoding="utf-8").splitlines()
    assert read_json(outputs["result"])["results"] == read_json(tmp_path / "one/result.json")["results"]
    assert asked == 9  # eight answers and the interrupted one; four were on record


def test_a_source_that_is_left_out(source: Callable[..., Path], tmp_path: Path) -> None:
    result = tmp_path / "result.json"
    params = stage.Params.model_validate(PARAMS)
    stage.robocodegen(params, Path("model"), source("robocodegen", "none"), result=result, samples=tmp_path / "s")
    assert "left out" in read_json(result)["results"]["robocodegen"]["skipped"]


@pytest.mark.parametrize(
    ("old", "new", "detail"),
    [
        ('"eq"', '"same"', "test_equiv is 'same'; allclose, eq, shape_eq are allowed"),
        ('"type": "LineString"', '"type": "Line"', "its type must be one of bool"),
        ('"group": "api"', '"group": "robots"', "group is 'robots'"),
    ],
)
def test_bad_problems(old: str, new: str, detail: str, source: Callable[..., Path], tmp_path: Path) -> None:
    text = load(source("robocodegen")).files[0].path.read_text(encoding="utf-8")
    path = tmp_path / "problems.json"
    path.write_text(text.replace(old, new), encoding="utf-8")
    bad = [each for each in read(file(path, "robocodegen")) if isinstance(each, BadRecord)]
    assert bad and detail in bad[0].detail
