"""An episode in the browser: actions, the early stops of WebArena's runner, and what is found at the end."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lemur.agents.episodes.environment import Action, Message, Step
from lemur.agents.web import grading
from lemur.agents.web.actions import ELEMENT, Form, WebAction, read_action
from lemur.agents.web.addresses import Addresses
from lemur.agents.web.process import Process
from lemur.agents.web.prompts import Texts, previous_action
from lemur.benchmark_items.webarena import Task

UNREADABLE = 3
"""Messages in a row without an action that end an episode."""
REPEATS = 3
"""Equal actions in a row, or equal texts typed in all, that end it."""


@dataclass(frozen=True)
class Setting:
    """What all episodes share. `turns`: actions allowed; `screenshots`: where to keep one a turn, or `None`."""

    addresses: Addresses
    texts: Texts
    form: Form
    turns: int
    screenshots: Path | None = None


@dataclass(frozen=True)
class WebWorld:
    """A task on the sites."""

    setting: Setting
    task: Task

    @property
    def id(self) -> str:
        return self.task.id

    def open(self) -> "WebEnvironment":
        return WebEnvironment(self.setting, self.task)

    def message(self, step: Step, feedback: str) -> str:
        """`feedback`: there is no teacher here."""
        return turn_message(self.setting, self.task, step.observation, step.action.text)


def turn_message(setting: Setting, task: Task, observation: str, previous: str) -> str:
    """`observation`: as `WebEnvironment` gives it, the page's text and then a line with its address."""
    page, _, url = observation.rpartition("\nURL: ")
    return setting.texts.turn(observation=page, url=url, objective=task.intent, previous=previous)


class WebEnvironment:
    """`lemur.agents.episodes.environment.Environment`: a fresh browser, and fresh sites if they are the project's own.

    A step's action is what the next prompt says of it. The step that ends the episode observes nothing: instead it has
    the record of `grading.Found` as JSON, with the answer. Verdicts are given later, since a judge may be needed."""

    def __init__(self, setting: Setting, task: Task, start: Callable[[Addresses], Process] = Process) -> None:
        self._setting, self._task, self._start = setting, task, start
        self._process: Process | None = None
        self._nodes: Mapping[str, str] = {}
        self._actions: list[WebAction | None] = []

    def reset(self) -> list[Message]:
        self.close()
        self._actions = []
        addresses, task = self._setting.addresses, self._task
        self._process = self._start(addresses)
        logins = {site: addresses.urls[site] for site in task.logins}
        page = self._process.open([addresses.fill(url) for url in task.start_url], logins)
        self._keep_screenshot(self._process)
        message = turn_message(self._setting, task, self._observation(page), "None")
        return [*self._setting.texts.opening(), {"role": "user", "content": message}]

    def step(self, answer: str) -> Step:
        assert self._process is not None
        action = read_action(self._setting.addresses.hidden(answer), self._setting.form)
        node = self._nodes.get(str(action.element)) if action is not None and action.name in ELEMENT else None
        said = Action(
            action.name if action else "invalid", self._setting.addresses.shown(previous_action(action, answer, node))
        )
        self._actions.append(action)
        if action is not None and action.name == "stop":
            return self._end(said, action.text, "stopped")
        observation = self._act(self._process, action)
        reason = early_stop(self._actions, self._setting.turns)
        if reason is not None:
            return self._end(said, f"Early stop: {reason[1]}", reason[0])
        return Step(said, observation, left=self._left())

    def close(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.close()

    def _act(self, process: Process, action: WebAction | None) -> str:
        # What cannot be read waits, as WebArena's action of kind NONE does.
        page = process.act(action or WebAction("wait"))
        self._keep_screenshot(process)
        return self._observation(page)

    def _keep_screenshot(self, process: Process) -> None:
        folder = self._setting.screenshots
        if folder is not None:
            path = folder / self._task.id / f"{len(self._actions):02d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(process.screenshot())

    def _observation(self, page: Mapping[str, Any]) -> str:
        self._nodes = page["nodes"]
        return self._setting.addresses.shown(f"{page['observation']}\nURL: {page['url']}")

    def _end(self, said: Action, answer: str, reason: str) -> Step:
        assert self._process is not None
        addresses, task = self._setting.addresses, self._task
        targets = [{**target.record(), "url": addresses.fill(target.url)} for target in task.evaluation.targets]
        url, contents = self._process.collect(targets)
        found = grading.found(task, addresses.placeholders(url), [addresses.placeholders(text) for text in contents])
        self.close()
        return Step(
            said,
            json.dumps({"answer": addresses.placeholders(answer), **found.record()}, ensure_ascii=False),
            {},
            reason,
            self._left(),
        )

    def _left(self) -> dict[str, int]:
        return {"turns": self._setting.turns - len(self._actions)}


def early_stop(actions: Sequence[WebAction | None], turns: int) -> tuple[str, str] | None:
    """Why WebArena's runner ends an episode after `actions`: how it ended, and the runner's words. The last action
    itself is compared with those before it."""
    if len(actions) >= turns:
        return "turns", f"Reach max steps {turns}"
    last = actions[-1]
    if len(actions) >= UNREADABLE and not any(actions[-UNREADABLE:]):
        return "unreadable", f"Failed to parse actions for {UNREADABLE} times"
    if last is not None and last.name == "type":
        if sum(action == last for action in actions) >= REPEATS:
            return "repeated", f"Same typing action for {REPEATS} times"
    elif len(actions) >= REPEATS and all(action == last for action in actions[-REPEATS:]):
        return "repeated", f"Same action for {REPEATS} times"
    return None
