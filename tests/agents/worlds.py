"""Small worlds for tests: the model has to count up to a number."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from lemur.agents.episodes.environment import Action, EnvironmentFault, Message, Step
from lemur.agents.episodes.episode import Episode
from lemur.agents.episodes.play import Asking
from lemur.inference.interface import Model


@dataclass
class Counting:
    """Solved when the model says the number of the turn `goal`. `fails` faults come first, at turn `fails_at`."""

    name: str
    goal: int
    turns: int = 5
    fails: int = 0
    fails_at: int = 1
    opened: int = 0
    closed: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def id(self) -> str:
        return self.name

    def open(self) -> "CountingEnvironment":
        with self._lock:
            self.opened += 1
        return CountingEnvironment(self)

    def message(self, step: Step, feedback: str) -> str:
        return step.observation + (f" ({feedback})" if feedback else "")


class CountingEnvironment:
    def __init__(self, world: Counting) -> None:
        self.world, self.turn, self.open = world, 0, True

    def reset(self) -> list[Message]:
        self.turn = 0
        self._maybe_fail()
        return [{"role": "user", "content": f"{self.world.name}: count"}]

    def step(self, answer: str) -> Step:
        self.turn += 1
        self._maybe_fail()
        solved = answer == str(self.turn) and self.turn == self.world.goal
        ended = "solved" if solved else "turns" if self.turn == self.world.turns else None
        verdict = {"paper": solved, "strict": solved}
        return Step(Action("say", answer), f"turn {self.turn}", verdict, ended, {"turns": self.world.turns - self.turn})

    def _maybe_fail(self) -> None:
        if self.world.fails and self.turn == self.world.fails_at:
            self.world.fails -= 1
            raise EnvironmentFault("the world fell down")

    def close(self) -> None:
        if self.open:
            self.world.closed += 1
        self.open = False


def prompt(model: Model, episode: Episode) -> str:
    return "\n".join(f"{message['role']}: {message['content']}" for message in episode.transcript())


ASKING = Asking(prompt, tokens=4, stop=())


@dataclass
class CommentingTeacher:
    """Says how many turns it sees."""

    seen: list[list[str]] = field(default_factory=list)

    def feedback(self, turns: Sequence[tuple[Episode, str]]) -> list[tuple[str, int]]:
        self.seen.append([f"{episode.id}: {episode.turns[-1].answer}, {text}" for episode, text in turns])
        return [(f"{len(episode.turns)} so far", 3) for episode, _ in turns]


def counts_up(prompt: str) -> str:
    """The right answer of a `Counting` world: the number of the turn."""
    return str(prompt.count("assistant:") + 1)


Answer = Callable[[str], str]
