"""What an agent acts in: an environment answers each of the model's messages with an observation."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

Message = dict[str, str]
"""{role: user or assistant, content: text}"""


class EnvironmentFault(Exception):
    """The environment itself failed: a sandbox that does not start, a server that died. Never the model's failure."""


@dataclass(frozen=True)
class Action:
    """What the environment read in a message of the model. `kind`: tool (`text` is code to run), solution (`text` is
    the proposed answer), invalid (neither was found) or another that an environment defines."""

    kind: str
    text: str


@dataclass(frozen=True)
class Step:
    """What followed from an action. `solved`: the verdict on a proposed solution or on the world's state by rule, empty
    if there is none. `ended`: why the episode ends here, or `None`. `left`: what remains of each limit."""

    action: Action
    observation: str
    solved: Mapping[str, bool] = field(default_factory=dict)
    ended: str | None = None
    left: Mapping[str, int] = field(default_factory=dict)


class Environment(Protocol):
    """One episode's world. Every method may raise `EnvironmentFault`. Equal answers give equal steps."""

    def reset(self) -> list[Message]:
        """Start, and return the messages before the model's first one."""
        ...

    def step(self, answer: str) -> Step:
        """Act as the model's message says."""
        ...

    def close(self) -> None:
        """Free what the environment holds. May be called at any time, also twice."""
        ...


class World(Protocol):
    """A task from which fresh environments can be opened."""

    @property
    def id(self) -> str:
        """Its name, unique in a run, such as gsm8k/0."""
        ...

    def open(self) -> Environment: ...

    def message(self, step: Step, feedback: str) -> str:
        """What the model reads after a step that did not end the episode; `feedback`: the teacher's words, or empty."""
        ...
