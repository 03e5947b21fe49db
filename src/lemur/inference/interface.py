"""The interface that every evaluation uses. A back end is a class with these members; nothing registers it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from lemur.core.records import Record


class Prompt(str):
    """A prompt whose first `shared` characters, such as few-shot examples, other prompts begin with too: a back end may
    compute them once. What it answers may depend on `shared`, but on no other prompt."""

    shared: int

    def __new__(cls, text: str, shared: int) -> "Prompt":
        prompt = super().__new__(cls, text)
        prompt.shared = max(shared, 0)
        return prompt


def shared(prompt: str) -> str:
    """What other prompts begin with too; empty for a prompt that does not say."""
    return str(prompt[: getattr(prompt, "shared", 0)])


@dataclass(frozen=True)
class Generation:
    """Generated text, cut before its first stop string. `tokens` counts generated tokens, the stop's included;
    `finish` is `stop` for a stop string or an end-of-text token and `length` if the tokens or the context ran out."""

    text: str
    tokens: int
    finish: Literal["stop", "length"]


@dataclass(frozen=True)
class Score:
    """Natural-log probability of a continuation: the sum, that of each token, and whether greedy decoding gives it."""

    logprob: float
    token_logprobs: tuple[float, ...]
    greedy: bool


class Model(Protocol):
    """A model to ask. Answers do not depend on how requests are grouped or ordered."""

    context_length: int
    """Most tokens of prompt and answer together."""

    @property
    def chat(self) -> bool:
        """Whether the model has a chat template."""
        ...

    def generate(
        self,
        prompts: Sequence[str],
        *,
        max_new_tokens: int,
        stop: Sequence[str],
        temperature: float = 0.0,
        seed: int = 0,
    ) -> list[Generation]:
        """Continue each prompt. Temperature 0 is greedy; otherwise equal prompts with equal seeds give equal samples.
        Raises `ValueError` for a prompt that fills the context."""
        ...

    def loglikelihood(self, requests: Sequence[tuple[str, str]]) -> list[Score]:
        """Score each (context, continuation). A context that is too long loses its beginning."""
        ...

    def rolling_loglikelihood(self, texts: Sequence[str], *, overlap: int) -> list[Score]:
        """Score whole texts. One longer than the context goes through in windows, each of which sees the last `overlap`
        tokens (at least one) of the window before and scores only what is new."""
        ...

    def count_tokens(self, text: str) -> int:
        """Tokens of a prompt, with the beginning-of-text token if prompts get one."""
        ...

    def chat_prompt(self, messages: Sequence[dict[str, str]], *, prefill: str = "") -> str:
        """Messages in the model's chat template, up to where the assistant answers, and `prefill`, its first words."""
        ...

    def identity(self) -> Record:
        """What was asked: model_hash, tokenizer_hash, chat_template_sha, backend and its settings."""
        ...
