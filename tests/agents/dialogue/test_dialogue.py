"""MINT's protocol: what counts as an action, the limits, the texts; and the published logs taken as input."""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from lemur.agents.dialogue.environment import Dialogue
from lemur.agents.dialogue.messages import Limits, fill, next_message, parse, said
from lemur.agents.dialogue.teacher import trajectory
from lemur.agents.episodes.cell_record import CellRecord, Cells, Output
from lemur.agents.episodes.environment import Action, Step

MIRROR = Path(os.environ.get("LEMUR_MIRROR", "") or "/nonexistent", "mint")
RIGHT = {"paper": True, "strict": True}
WRONG = {"paper": False, "strict": False}


class Echo:
    """An interpreter that prints the code in capitals."""

    def run(self, code: str) -> Output:
        return Output(code.upper())

    def close(self) -> None:
        pass


def dialogue(limits: Limits = Limits(5, 2), right: str = "42") -> Dialogue:  # noqa: B008
    cells = Cells("world", Echo, CellRecord(None))
    return Dialogue("the task", limits, cells, lambda solution: RIGHT if solution == right else WRONG)


@pytest.mark.parametrize(
    ("answer", "action"),
    [
        ("<thought> hm </thought><execute> print(1) </execute>", Action("tool", "print(1)")),
        ("<execute>a</execute> and <execute>\nb\n</execute>", Action("tool", "a\nb")),
        ("<solution> 3 </solution>", Action("solution", "3")),
        ("<execute>a</execute><solution>3</solution>", Action("solution", "3")),  # a text with <solution> proposes
        ("<execute>a</execute><solution>", Action("invalid", "solution")),
        ("just words", Action("invalid", "tool")),
        ("<execute> </execute>", Action("invalid", "tool")),
        ("<execute>a", Action("invalid", "tool")),
    ],
)
def test_actions(answer: str, action: Action) -> None:
    assert parse(answer) == action


def test_a_right_solution_ends_the_episode() -> None:
    world = dialogue()
    first = world.step("<execute>print(41)</execute>")
    assert first == Step(Action("tool", "print(41)"), "PRINT(41)", {}, None, {"turns": 4, "proposals": 2})
    last = world.step("<solution>42</solution>")
    assert last == Step(Action("solution", "42"), "", RIGHT, "solved", {"turns": 3, "proposals": 1})


def test_the_second_wrong_proposal_ends_the_episode() -> None:
    world = dialogue()
    assert world.step("<solution>1</solution>").ended is None
    assert world.step("<solution>unfinished").ended == "proposals"  # it counts although it cannot be read


def test_invalid_messages_are_turns() -> None:
    world = dialogue()
    assert [world.step("hm").ended for _ in range(5)] == [None, None, None, None, "turns"]


def test_one_turn_allows_one_proposal() -> None:
    assert dialogue(Limits(1, 1)).step("<solution>1</solution>").ended == "proposals"


def test_the_last_step_is_announced() -> None:
    world = dialogue()
    steps = [world.step("<execute>x</execute>") for _ in range(4)]
    assert "last step" not in next_message(steps[2], "")
    assert next_message(steps[3], "Go on.") == (
        "Observation:\nX\nYou have 1 steps left and 2 chances to propose solution left.\n"
        "You should take the last step to propose a solution.\n\nExpert feedback:\nGo on.\n"
    )


def test_only_named_fields_of_a_template_are_filled() -> None:
    assert fill("{a} {b} {{}} {'x': 1}", {"a": "{b}"}) == "{b} {b} {{}} {'x': 1}"


def test_a_world_that_is_won_by_acting_ends_without_a_proposal() -> None:
    class Won(Echo):
        def run(self, code: str) -> Output:
            return Output(code, {"paper": code == "win", "strict": False})

    world = Dialogue("task", Limits(5, 2), Cells("w", Won, CellRecord(None)), lambda _: WRONG)
    assert world.step("<execute>go</execute>").ended is None
    last = world.step("<execute>win</execute>")
    assert (last.ended, last.observation, last.solved) == ("solved", "win", {"paper": True, "strict": False})


def logs(pattern: str) -> Iterator[tuple[str, Mapping[str, object]]]:
    """(id, state) of the published episodes."""
    if not MIRROR.is_dir():
        pytest.skip("LEMUR_MIRROR is not set, so there are no published trajectories")
    for path in sorted(MIRROR.glob(f"outputs_*/{pattern}/*/*/results.jsonl")):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            yield f"{path.relative_to(MIRROR)}:{number}", json.loads(line)["state"]


PUBLISHED = [(f"F=None/max{k}_*", 586, 0) for k in range(1, 5)]
PUBLISHED += [("F=None/max5_*", 4 * 586, 2), ("F=gpt-4-0613/*/max5_*", 4 * 586, 10)]


@pytest.mark.parametrize(("pattern", "episodes", "with_empty_answers"), PUBLISHED)
def test_published_episodes_follow_these_rules(pattern: str, episodes: int, with_empty_answers: int) -> None:
    """The recorded answers and cell outputs give the recorded messages, limits and ends. MINT keeps no empty answer, so
    that two messages of the user follow each other; here it stays."""
    other = []
    checked = 0
    for name, state in logs(pattern):
        history = state["history"]
        if [m["role"] for m in history] != ["user", "assistant"] * (len(history) // 2) + ["user"] * (len(history) % 2):
            other.append(name)  # an empty answer left no message
            continue
        limits = Limits(int(name.split("/max")[1][0]), int(name.split("_p")[1][0]))
        observations = iter([_observation(message["content"]) for message in history[2::2]])
        last = state["success"]

        class Recorded:
            def run(self, code: str, observations: Iterator[str] = observations) -> Output:
                return Output(next(observations, "the log ends here"))

            def close(self) -> None: ...

        world = Dialogue("", limits, Cells(name, Recorded, CellRecord(None)), lambda _: WRONG)
        for turn, message in enumerate(history[1::2]):
            answer = message["content"].removeprefix("Assistant:\n").removesuffix("\n")
            if said(answer) != message["content"]:  # the model itself wrote "Assistant:"
                answer = message["content"].removesuffix("\n")
            assert said(answer) == message["content"], name
            step = world.step(answer)
            if step.action.kind != "tool":
                next(observations, None)
            if 2 * turn + 2 < len(history):
                content = history[2 * turn + 2]["content"]
                feedback = content.partition("\n\nExpert feedback:\n")[2].removesuffix("\n")
                assert next_message(step, feedback) == content, name
        reason = state["terminate_reason"]
        expected = {"max_steps": "turns", "max_propose_steps": "proposals", "error": None}
        assert last or step.ended == expected[reason], (name, step, reason)
        checked += 1
    assert (checked, len(other)) == (episodes - with_empty_answers, with_empty_answers), other


def _observation(content: str) -> str:
    text = content.removeprefix("Observation:\n").partition("\n\nExpert feedback:\n")[0]
    return text[: text.rfind("\nYou have ")]


def test_the_teacher_sees_the_episode_without_instructions_and_example() -> None:
    opening = "Instructions\n---\nTask:\nexample\n---\n\nTask:\nWhat is 6 * 7?\n"
    messages = [
        {"role": "user", "content": opening},
        {"role": "assistant", "content": "<solution>41</solution>"},
        {"role": "user", "content": "Observation:\nYour answer is wrong.\n"},
        {"role": "assistant", "content": "hm"},
    ]
    assert trajectory(messages, "next") == (
        "Task:\nWhat is 6 * 7?\n\nAssistant:\n<solution>41</solution>\n\nObservation:\nYour answer is wrong.\n\n"
        "Assistant:\nhm\n\nnext"
    )
