"""The stage `mint` from prompt to score: what is right scores, what is wrong does not, whoever answers."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from lemur import sandbox
from lemur.agents import acting
from lemur.agents import mint as stage
from lemur.benchmark_items.mint import COUNTS, Task
from lemur.core.records import Record, read_json, read_jsonl
from lemur.inference.interface import Model
from lemur.sources.fetched import load
from tests.agents.actors import ACT, SEARCH, Actor, proposes, runs

Source = Callable[..., Path]
pytestmark = pytest.mark.skipif(not sandbox.available(), reason=str(sandbox.why_unavailable()))


def play(
    source: Path, says: Callable[[Task, int], str], folder: Path, monkeypatch: pytest.MonkeyPatch, **changes: object
) -> tuple[Record, list[Record]]:
    """The result and the episodes of an actor."""
    actor = Actor(stage.read_tasks(load(source)), says)
    return run(actor, source, folder, monkeypatch, **changes)


def run(
    model: Model, source: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, **changes: object
) -> tuple[Record, list[Record]]:
    monkeypatch.setattr(stage, "open_model", lambda *_: model)
    folder.mkdir(exist_ok=True)
    result, samples = folder / "result.json", folder / "samples.jsonl"
    params = stage.Params.model_validate(ACT | SEARCH | changes)
    stage.mint(params, Path("model"), source, result=result, samples=samples)
    return dict(read_json(result)), list(read_jsonl(samples))


@pytest.mark.parametrize("place", ["bundled", "mirror"])
def test_references_in_all_solved_out(
    place: str, source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """References in, 100 % out: HumanEval 45/45, MBPP 91/91 and every reasoning task by the strict rule. The paper's
    rule accepts no negative number (its tolerance is negative then) and no option of TheoremQA."""
    result, episodes = play(source("mint", place), lambda task, turn: proposes(task.solution), tmp_path, monkeypatch)
    unsolved = {rule: {each["id"] for each in episodes if not each["solved"][rule]} for rule in ("paper", "strict")}
    negative = {each["id"] for each in episodes if each["reference"].startswith("-") and each["task"] == "math"}
    options = {
        each["id"]
        for each in episodes
        if each["task"] == "theoremqa" and each["reference"].isalpha() and each["reference"] not in ("True", "False")
    }
    assert unsolved == {"paper": negative | options, "strict": set()}
    if place == "mirror":
        counts = {task: sum(each["task"] == task for each in episodes) for task in COUNTS if task != "alfworld"}
        assert counts == {task: count for task, count in COUNTS.items() if task != "alfworld"}
        assert (len(negative), len(options)) == (11, 3)
        assert result["results"]["mint_humaneval"]["success,paper"] == 1.0
        assert result["results"]["mint_mbpp"]["success,paper"] == 1.0


@pytest.mark.parametrize("place", ["bundled", "mirror"])
def test_a_wrong_answer_scores_nothing(
    place: str, source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result, episodes = play(source("mint", place), lambda task, turn: proposes("zzz"), tmp_path, monkeypatch)
    assert result["results"]["mint"]["success,paper"] == result["results"]["mint"]["success,strict"] == 0.0
    assert {each["ended"] for each in episodes} == {"proposals"}
    assert result["counts"]["mint"]["turns_solution"] == 2 * len(episodes)


def test_cells_run_in_one_session_an_episode(source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def says(task: Task, turn: int) -> str:
        return [runs(f"x = {len(task.prompt)}"), runs("x + 1"), runs("print(x * 2)"), proposes(task.solution)][turn]

    _, episodes = play(source("mint"), says, tmp_path, monkeypatch, limit=1)
    for episode in episodes:
        observations = [turn["observation"] for turn in episode["turns"]]
        length = int(observations[2]) // 2
        assert observations[0] == "[Executed Successfully with No Output]"
        assert observations[1] == f"Out[2]: {length + 1}"
        assert [turn["left"] for turn in episode["turns"]][-1] == {"turns": 1, "proposals": 1}


@pytest.mark.parametrize("place", ["bundled", "mirror"])
def test_the_search_tool_answers_in_reasoning_and_is_absent_in_code(
    place: str, source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    query = "Kibo" if place == "bundled" else "Li Bai"

    def says(task: Task, turn: int) -> str:
        return proposes("x") if turn else runs(f"print(wikipedia_search({query!r}))")

    _, episodes = play(source("mint", place), says, tmp_path, monkeypatch, limit=1)
    for episode in episodes:
        seen = episode["turns"][0]["observation"]
        assert ("Page: " in seen) == (episode["group"] == "reasoning"), seen
        assert ("NameError" in seen) == (episode["group"] == "code")
        if place == "mirror":  # the bundled template has no room for the tools' description
            described = "wikipedia_search(query" in episode["messages"][0]["content"]
            assert described == (episode["group"] == "reasoning")


def test_success_by_turns(source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of the tasks are solved at once, the others in the third turn."""

    def says(task: Task, turn: int) -> str:
        return proposes(task.solution) if turn == 2 or int(task.id.rpartition("/")[2]) % 2 else runs("1")

    result, episodes = play(source("mint"), says, tmp_path, monkeypatch, turns=[1, 2, 3], chat="chat", limit=2)
    scores = result["results"]
    by_turns = [scores[f"mint_turns_{turns}"]["success,strict"] for turns in (1, 2, 3)]
    assert by_turns[0] == by_turns[1] < by_turns[2] == 1.0
    assert scores["mint"]["success,strict"] == 1.0
    assert result["n-samples"]["mint"]["effective"] == len(episodes) / 3
    first = {each["id"]: each["messages"][0]["content"] for each in episodes}
    assert len(first) == len(episodes)
    assert len(set(first.values())) == len(episodes)  # the message says how many turns there are


@pytest.mark.parametrize("workers", ["1", "2"])
def test_same_bytes_whatever_the_workers(
    workers: str, source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def says(task: Task, turn: int) -> str:
        if turn < 3:
            return runs(f"import random\nprint(random.random(), {{'b', 'a', {turn}}}, object())")
        return proposes(task.solution)

    outputs = []
    for name, count in (("a", "3"), ("b", workers)):
        monkeypatch.setenv("LEMUR_WORKERS", count)
        monkeypatch.setenv("LEMUR_ANSWERS", str(tmp_path / name / "answers"))
        play(source("mint"), says, tmp_path / name, monkeypatch)
        outputs.append([(tmp_path / name / file).read_bytes() for file in ("result.json", "samples.jsonl")])
    assert outputs[0] == outputs[1]


def test_replay_gives_the_same_episodes(
    source: Source, tokenizer_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Back end `replay` on the episodes of an actor, whose prompts were built and counted as for the same folder."""

    def says(task: Task, turn: int) -> str:
        return [runs("print(6 * 7)"), "hm", proposes("zzz"), proposes(task.solution)][turn]

    folder = context(tokenizer_folder, tmp_path, 4096)
    actor = Actor(stage.read_tasks(load(source("mint"))), says)
    builder = acting.replay_model(empty(tmp_path), acting.TextCodec(folder, bos=False), 4096, lambda *_: "")
    for name in ("count_tokens", "chat_prompt"):
        monkeypatch.setattr(actor, name, getattr(builder, name))
    monkeypatch.setattr(actor, "_say", None)
    monkeypatch.setattr(actor, "answer", lambda prompt: says(*_turn(actor, prompt)))
    _, episodes = run(actor, source("mint"), tmp_path / "model", monkeypatch)
    (tmp_path / "model" / "mint.jsonl").write_bytes((tmp_path / "model" / "samples.jsonl").read_bytes())

    monkeypatch.undo()
    monkeypatch.setenv("LEMUR_REPLAY", str(tmp_path))
    monkeypatch.setenv("LEMUR_ANSWERS", str(tmp_path / "none"))
    params = stage.Params.model_validate(ACT | SEARCH | {"backend": "replay"})
    replayed = tmp_path / "replayed.jsonl"
    stage.mint(params, folder, source("mint"), result=tmp_path / "replayed.json", samples=replayed)
    assert list(read_jsonl(replayed)) == episodes


def context(tokenizer_folder: Path, to: Path, length: int) -> Path:
    """A model folder with this context, named model."""
    import shutil

    folder = to / "folder" / "model"
    shutil.copytree(tokenizer_folder, folder)
    (folder / "config.json").write_text(f'{{"max_position_embeddings": {length}}}', encoding="utf-8")
    return folder


def empty(folder: Path) -> Path:
    path = folder / "empty.jsonl"
    path.write_text("", encoding="utf-8")
    return path


def _turn(actor: Actor, prompt: str) -> tuple[Task, int]:
    """Of a prompt in the tokenizer folder's template."""
    first, *later = prompt.split("<|im_start|>assistant\nAssistant:\n")
    text = first.rpartition("---\n\nTask:\n")[2].partition("<|im_end|>")[0].strip()
    return actor._tasks[text], len(later)


def test_without_tasks_it_is_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: Source) -> None:
    result, episodes = run(Actor([], lambda *_: ""), source("mint", "none"), tmp_path, monkeypatch)
    assert result["results"]["mint"] == {"skipped": "the source mint is left out"}
    assert episodes == []


def test_the_choice_of_tasks_is_seeded_and_grows(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ids(limit: int, seed: int) -> Sequence[str]:
        says = lambda task, turn: proposes("zzz")  # noqa: E731
        _, episodes = play(source("mint"), says, tmp_path / f"{limit}{seed}", monkeypatch, limit=limit, seed=seed)
        return [each["id"] for each in episodes]

    assert set(ids(1, 0)) < set(ids(2, 0))
    assert len(ids(1, 0)) == 7
