"""What became of one question: asked, answered, extracted, judged."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, Literal, TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")
NO_RULE = "none"
"""The name of the only rule of a benchmark that has one, as in lm-evaluation-harness."""


@dataclass(frozen=True)
class Generated:
    """An answer in words. `prompt_too_long`: the prompt left no room, so the model was not asked."""

    output: str
    finish: Literal["stop", "length", "prompt_too_long"]

    @property
    def asked(self) -> bool:
        return self.finish != "prompt_too_long"


@dataclass(frozen=True)
class Likelihoods:
    """The log-probability of each choice. `cut`: the prompt was too long and lost its beginning."""

    logprobs: Mapping[str, float]
    cut: bool


@dataclass(frozen=True)
class Verdict:
    """How a program or query ended."""

    status: str
    detail: str


@dataclass(frozen=True)
class Sample(Generic[Item, Answer]):
    """One answer to one item. What follows the answer is made from item and answer alone, so it can be made again."""

    item: Item
    prompt: str
    shots: int | None
    """Examples in the prompt; `None` for a benchmark without."""
    answer: Answer
    extraction: Mapping[str, str | None] = field(default_factory=dict)
    """What the answer says, by rule."""
    verdict: Mapping[str, Verdict] = field(default_factory=dict)
    """What running it came to, by rule; empty where nothing runs."""
    correct: Mapping[str, Mapping[str, bool]] = field(default_factory=dict)
    """By metric and rule."""
