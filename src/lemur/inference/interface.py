"""The interface between evaluations and models. A back end is any class with these members; nothing registers it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from lemur.core.records import Record


class Prompt(str):
    """A prompt that shares its first `shared` characters, such as few-shot examples, with other prompts: a back end may
    compute them once. An answer may depend on `shared`, but on no other prompt."""

    shared: int

    def __new__(cls, text: str, shared: int) -> "Prompt":
        prompt = super().__new__(cls, text)
        prompt.shared = max(shared, 0)
        return prompt


def shared_prefix(prompt: str) -> str:
    """The text that `prompt` shares with others; empty unless it is a `Prompt`."""
    return str(prompt[: getattr(prompt, "shared", 0)])


def whole_characters(text: str) -> str:
    """`text` with U+FFFD for each half of a surrogate pair, which UTF-8 cannot write; a whole pair is its character."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


@dataclass(frozen=True)
class Generation:
    """Generated text, cut before its first stop string and made of whole characters (`whole_characters`). `tokens`
    counts generated tokens, including those of the stop string; `finish` is `stop` after a stop string or an
    end-of-text token, `length` if tokens or context ran out."""

    text: str
    tokens: int
    finish: Literal["stop", "length"]

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", whole_characters(self.text))


@dataclass(frozen=True)
class Score:
    """Natural-log probability of a continuation: the sum, one per token, and whether greedy decoding yields it."""

    logprob: float
    token_logprobs: tuple[float, ...]
    greedy: bool


class Model(Protocol):
    """A model. Its answers do not depend on how requests are grouped or ordered."""

    context_length: int
    """Maximum tokens of prompt plus answer."""

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
        """Continue each prompt. Temperature 0 is greedy; above 0, equal prompts with equal seeds give equal samples.
        Raises `ValueError` for a prompt that fills the context."""
        ...

    def loglikelihood(self, requests: Sequence[tuple[str, str]]) -> list[Score]:
        """Score each (context, continuation). A context that is too long is cut at its beginning."""
        ...

    def rolling_loglikelihood(self, texts: Sequence[str], *, overlap: int) -> list[Score]:
        """Score whole texts. A text longer than the context is split into windows; each sees the last `overlap` tokens
        (at least one) of the previous window and scores only its new tokens."""
        ...

    def count_tokens(self, text: str) -> int:
        """Number of tokens in a prompt, including the beginning-of-text token if prompts get one."""
        ...

    def chat_prompt(self, messages: Sequence[dict[str, str]], *, prefill: str = "") -> str:
        """Messages in the model's chat template, up to where the assistant answers, then `prefill`, its first words."""
        ...

    def identity(self) -> Record:
        """What identifies the model: model_hash, tokenizer_hash, chat_template_sha, backend and its settings."""
        ...
