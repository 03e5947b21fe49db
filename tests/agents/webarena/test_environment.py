"""An episode's rules and prompts, without a browser."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from lemur.agents.episodes.environment import Action, Step
from lemur.agents.episodes.episode import Episode, Turn
from lemur.agents.web.actions import WebAction
from lemur.agents.web.environment import WebEnvironment, WebWorld, early_stop
from lemur.agents.web.grading import from_record
from lemur.agents.web.judge import Judge
from lemur.agents.web.prompts import as_prompt, cut
from lemur.agents.web.verdicts import graded
from tests.agents.webarena.scripts import own_tasks, setting
from tests.evaluation.conftest import Oracle

PAGE = "Tab 0 (current): Shop\n\n[1] RootWebArea 'Shop'\n\t[2] link 'Storm Lantern'"
TASK = own_tasks()[0]


class Recorded:
    """A process whose page is always `PAGE`."""

    def __init__(self, contents: Sequence[str] = ()) -> None:
        self.contents, self.acted, self.opened, self.closed = contents, [], [], 0

    def __call__(self, addresses: object) -> Any:
        return self

    def open(self, urls: list[str], logins: dict[str, str]) -> dict[str, Any]:
        self.opened.append((urls, logins))
        return self._page()

    def act(self, action: WebAction) -> dict[str, Any]:
        self.acted.append(action)
        return self._page()

    def collect(self, targets: list[dict[str, Any]]) -> tuple[str, list[str]]:
        return "http://127.0.0.1:7770/storm-lantern.html", list(self.contents)

    def close(self) -> None:
        self.closed += 1

    def _page(self) -> dict[str, Any]:
        return {
            "observation": PAGE,
            "url": "http://127.0.0.1:7770/",
            "nodes": {"2": "link 'Storm Lantern'"},
            "failed": "",
        }


def play(*answers: str, turns: int = 30) -> tuple[list[Step], Recorded]:
    process = Recorded()
    environment = WebEnvironment(replace(setting(), turns=turns), TASK, process)
    environment.reset()
    return [environment.step(answer) for answer in answers], process


def test_the_first_message_shows_page_address_and_objective() -> None:
    process = Recorded()
    messages = WebEnvironment(setting(), TASK, process).reset()
    assert messages[0] == {"role": "system", "content": ""}
    assert messages[-1]["content"] == (
        f"OBSERVATION:\n{PAGE}\nURL: http://onestopmarket.com/\nOBJECTIVE: {TASK.intent}\nPREVIOUS ACTION: None"
    )
    assert process.opened == [(["http://127.0.0.1:7770"], {"shopping": "http://127.0.0.1:7770"})]


@pytest.mark.parametrize(
    ("answer", "kind", "previous"),
    [
        ("```click [2]```", "click", "click [2] where [2] is link 'Storm Lantern'"),
        ("```type [2] [a b] [1]```", "type", "type [2] [a b] where [2] is link 'Storm Lantern'"),
        ("```goto [http://onestopmarket.com/x.html]```", "goto", "goto [http://onestopmarket.com/x.html]"),
        ("```scroll [down]```", "scroll", "scroll [down]"),
        ("```click [9]```", "click", 'Attempt to perfom "click" on element "[9]" but no matching element found.'),
        (
            "I click.\nURL: x",
            "invalid",
            'The previous prediction you issued was "I click. URL: x". However, the format',
        ),
    ],
)
def test_the_next_message_says_what_the_last_action_was(answer: str, kind: str, previous: str) -> None:
    (step,), _ = play(answer)
    assert step.action.kind == kind
    assert step.action.text.startswith(previous)
    message = WebWorld(setting(), TASK).message(step, "")
    assert message.startswith(f"OBSERVATION:\n{PAGE}\nURL: http://onestopmarket.com/\nOBJECTIVE: ")
    assert message.endswith(f"PREVIOUS ACTION: {step.action.text}")


def test_the_models_names_of_sites_become_addresses() -> None:
    _, process = play("```goto [http://onestopmarket.com/a]```", "```goto [http://luma.com/admin/x]```")
    assert [action.text for action in process.acted] == ["http://127.0.0.1:7770/a", "http://127.0.0.1:7780/admin/x"]


def test_stop_ends_the_episode_with_what_was_found() -> None:
    (step,), process = play("```stop [$32.00]```")
    assert step.ended == "stopped" and process.closed
    record = json.loads(step.observation)
    assert record["answer"] == "$32.00"
    assert from_record(record).url == "__SHOPPING__/storm-lantern.html"


def test_an_episode_ends_after_its_turns_and_is_still_evaluated() -> None:
    steps, _ = play("```click [2]```", "```go_back```", turns=2)
    assert [step.ended for step in steps] == [None, "turns"]
    assert json.loads(steps[-1].observation)["answer"] == "Early stop: Reach max steps 2"


CLICK, BACK, NOTHING = WebAction("click", 2), WebAction("go_back"), None
TYPE = WebAction("type", 2, "a", True)


@pytest.mark.parametrize(
    ("actions", "ended"),
    [
        ([CLICK, CLICK], None),
        ([CLICK, CLICK, CLICK], "repeated"),
        ([CLICK, BACK, CLICK, CLICK], None),
        ([TYPE, BACK, TYPE, CLICK, TYPE], "repeated"),  # typed anywhere
        ([NOTHING, NOTHING, CLICK, NOTHING], None),
        ([NOTHING, NOTHING, NOTHING], "unreadable"),
    ],
)
def test_early_stops(actions: list[WebAction | None], ended: str | None) -> None:
    reason = early_stop(actions, turns=30)
    assert (reason and reason[0]) == ended


def episode(*turns: Turn) -> Episode:
    messages = [{"role": "system", "content": "intro"}, {"role": "user", "content": "q"}]
    messages += [
        {"role": "assistant", "content": "a"},
        {"role": "user", "content": f"OBSERVATION:\n{PAGE}\nURL: u\nrest"},
    ]
    return Episode("x", messages, turns)


def test_a_prompt_has_only_the_last_page() -> None:
    step = Step(Action("click", "click [2]"), "p", {}, None, {})
    turns = [
        Turn("first answer", "stop", step, message="page one\nURL: u1\nr"),
        Turn("b", "stop", step, message="page two\nURL: u2\nr"),
    ]
    model = Oracle(lambda prompt: "")
    prompt = as_prompt(model, episode(*turns), in_chat=True, observation_tokens=100, answer_tokens=10)
    assert prompt == "[system]intro[user]q[assistant]a[user]page two\nURL: u2\nr[assistant]"
    assert prompt[: prompt.shared].endswith("[user]")
    plain = as_prompt(model, episode(*turns), in_chat=False, observation_tokens=100, answer_tokens=10)
    assert "page one" not in plain and "first answer" not in plain
    assert plain.startswith("intro\n\nHere are a few examples:\nObservation\n:q\n\nAction: a\n\nNow make")


@pytest.mark.parametrize(("tokens", "context"), [(4, 4096), (100, 24)])
def test_a_page_is_cut_to_its_tokens_and_to_the_context(tokens: int, context: int) -> None:
    model = Oracle(lambda prompt: "", context_length=context)
    prompt = as_prompt(model, episode(), in_chat=True, observation_tokens=tokens, answer_tokens=10)
    assert model.count_tokens(prompt) + 10 <= context
    assert "OBSERVATION:\nTab 0" in prompt and "Storm" not in prompt and prompt.endswith("\nURL: u\nrest[assistant]")


def test_cut_keeps_the_longest_beginning() -> None:
    model = Oracle(lambda prompt: "")
    assert cut(model, "a b c d", 9) == "a b c d"
    assert cut(model, "a b c d", 2).rstrip() == "a b"
    assert cut(model, "a b c d", 0).strip() == ""


def test_the_judge_is_asked_once_for_all_episodes() -> None:
    task = next(each for each in own_tasks() if each.evaluation.fuzzy)
    place = {"url": "", "contents": [], "matches": []}
    step = Step(Action("stop", ""), json.dumps({"answer": "heavy and rusty", **place}), {}, "stopped", {})
    ended = replace(episode(), ended="stopped", turns=(Turn("x", "stop", step),))
    model = Oracle(lambda prompt: "correct" if "reference answer: it rusted" in prompt else "not correct")
    judge = Judge(model, 20)
    (finished, lost) = graded([task, task], [ended, replace(episode(), ended="context")], judge, 30)
    assert finished.episode.ended == "solved"  # by the paper's reading of "not correct"
    assert finished.record()["solved"] == {"paper": True, "strict": False}
    assert not lost.episode.turns and len(model.prompts) == 2


def test_a_judge_without_room_says_wrong() -> None:
    task = next(each for each in own_tasks() if each.evaluation.fuzzy)
    place = {"url": "", "contents": [], "matches": []}
    step = Step(Action("stop", ""), json.dumps({"answer": "heavy", **place}), {}, "stopped", {})
    ended = replace(episode(), ended="stopped", turns=(Turn("x", "stop", step),))
    (finished,) = graded([task], [ended], Judge(Oracle(lambda prompt: "correct", context_length=30), 20), 30)
    assert finished.record()["solved"] == {"paper": False, "strict": False}
