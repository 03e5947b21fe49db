"""One question with its answer, the extracted answer and the verdict."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, Literal, TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")
NO_RULE = "none"
"""The rule's name in a benchmark with only one rule, as in lm-evaluation-harness."""


@dataclass(frozen=True)
class Generated:
    """A generated answer. `prompt_too_long`: the prompt left no room for one, so the model was not asked."""

    output: str
    finish: Literal["stop", "length", "prompt_too_long"]

    @property
    def asked(self) -> bool:
        return self.finish != "prompt_too_long"


@dataclass(frozen=True)
class Likelihoods:
    """The log-probability of each choice. `cut`: the prompt was too long and was cut at its beginning."""

    logprobs: Mapping[str, float]
    cut: bool


@dataclass(frozen=True)
class Verdict:
    """How a program or query ended."""

    status: str
    detail: str


@dataclass(frozen=True)
class Sample(Generic[Item, Answer]):
    """One answer to one item. The later fields follow from item and answer alone, so they can be recomputed."""

    item: Item
    prompt: str
    shots: int | None
    """Examples in the prompt; `None` for a benchmark without examples."""
    answer: Answer
    extraction: Mapping[str, str | None] = field(default_factory=dict)
    """The extracted answer by rule."""
    verdict: Mapping[str, Verdict] = field(default_factory=dict)
    """The outcome of running it, by rule; empty if nothing runs."""
    correct: Mapping[str, Mapping[str, bool | None]] = field(default_factory=dict)
    """By metric and rule; `None` if undecided."""
