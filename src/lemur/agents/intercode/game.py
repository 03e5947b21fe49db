"""An episode of InterCode: commands, observations and rewards; or the same without a reward in sight."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from lemur.agents.episodes.environment import Action, Message, Step
from lemur.agents.intercode.texts import Texts, shown

REWARD = "\nReward: "
"""Ends the observation of a step whose reward the model is shown."""
SUBMIT = "submit"
ENDING = {"skip": "skipped", "blocked": "blocked"}
"""Kinds of actions that end an episode, and the reason."""


@dataclass(frozen=True)
class Outcome:
    """What followed from a command. `output`: rows or a text. `reward` as the original computes it; `right` by the
    strict rule."""

    output: object
    reward: float
    right: bool


class Machine(Protocol):
    """What runs the commands of an episode. Methods may raise `EnvironmentFault`."""

    def act(self, action: Action) -> Outcome: ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class Rules:
    """`rule` paper: the reward is shown and ends the episode when it is 1, the best one counts. strict: no reward is
    shown, and the last command counts when the model submits or has no turn left. both: as paper, and the verdict by
    the strict rule too, where the game itself says whether an answer is right (capture the flag)."""

    rule: str
    turns: int
    parse: Callable[[str], Action]


class Game:
    """`lemur.agents.episodes.environment.Environment`."""

    def __init__(self, opening: Sequence[Message], texts: Texts, rules: Rules, start: Callable[[], Machine]) -> None:
        self._opening, self._texts, self._rules, self._start = opening, texts, rules, start
        self._machine: Machine | None = None
        self._turns = 0
        self._right = False
        """Whether the last command was right, by the strict rule."""

    def reset(self) -> list[Message]:
        self.close()
        self._turns, self._right = 0, False
        return list(self._opening)

    def step(self, answer: str) -> Step:
        self._turns += 1
        left = {"turns": self._rules.turns - self._turns}
        if self._rules.rule == "strict":
            return self._step_strict(answer, left)
        action = self._rules.parse(answer)
        if action.kind in ENDING:
            return Step(action, "", {"paper": False, "strict": False}, ENDING[action.kind], left)
        outcome = self._outcome(action)
        observation = shown(outcome.output)
        if self._rules.rule == "paper":
            observation += f"{REWARD}{outcome.reward}"
        solved = {"paper": outcome.reward == 1, "strict": outcome.right}
        ended = "solved" if outcome.reward == 1 else None if left["turns"] else "turns"
        return Step(action, observation, solved, ended, left)

    def _step_strict(self, answer: str, left: dict[str, int]) -> Step:
        if answer.strip().strip("`").strip().lower() == SUBMIT:
            return Step(Action("solution", SUBMIT), "", {"strict": self._right}, "submitted", left)
        action = self._rules.parse(answer)
        outcome = self._outcome(action)
        if action.kind != "invalid":
            self._right = outcome.right
        ended = None if left["turns"] else "turns"
        solved = {"strict": self._right} if ended else {}
        return Step(action, shown(outcome.output), solved, ended, left)

    def _outcome(self, action: Action) -> Outcome:
        if action.kind == "invalid":
            return Outcome(self._texts.retry, 0, False)
        if self._machine is None:
            self._machine = self._start()
        return self._machine.act(action)

    def close(self) -> None:
        machine, self._machine = self._machine, None
        if machine is not None:
            machine.close()


def split(step: Step) -> tuple[str, str]:
    """The output that a step shows, and its reward as text, empty if it shows none."""
    output, found, reward = step.observation.rpartition(REWARD)
    return (output, reward) if found else (step.observation, "")
