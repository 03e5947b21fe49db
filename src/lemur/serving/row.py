"""A request, and the row of a tile that answers it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from lemur.inference.compiled_programs import STEPS, bucket
from lemur.inference.growing_answer import GrowingAnswer
from lemur.inference.interface import Generation
from lemur.inference.text import TextCodec
from lemur.inference.token_model import key


@dataclass(frozen=True)
class Request:
    """What to answer. `text` and `seed` decide the samples, as in `JaxModel.generate`; `tokens` are the prompt's. The
    answer has up to `max_tokens` tokens, or as many as the context allows."""

    text: str
    tokens: tuple[int, ...]
    max_tokens: int
    stop: tuple[str, ...] = ()
    temperature: float = 0.0
    seed: int = 0


@dataclass(kw_only=True)
class Row(GrowingAnswer):
    """An answer that the engine works on. Its thread writes, and calls `changed` after it has; others read `visible`,
    `result`, `error`, and may set `cancelled`."""

    request: Request
    context: int
    changed: Callable[[], None]
    visible: str = ""
    """The beginning of the answer that later tokens cannot change."""
    result: Generation | None = None
    error: Exception | None = None
    cancelled: bool = False
    key: np.ndarray = field(init=False)
    last: int = 0
    """The newest token."""
    step: int = 0
    """The number of tokens so far: the next one's number."""

    def __post_init__(self) -> None:
        self.key = np.frombuffer(key(self.request.text, self.request.seed), "<u4")

    @property
    def prompt_bucket(self) -> int:
        return bucket(len(self.prompt), self.context)

    @property
    def capacity(self) -> int:
        """Tokens of the cache in which the next tokens are computed. As in `JaxModel`, the lengths of the prompt and of
        the requested answer decide it, and how far the answer is."""
        longest = bucket(min(len(self.prompt) + self.request.max_tokens, self.context), self.context)
        return bucket(min(self.prompt_bucket + self.step - 1 + STEPS, longest), longest)

    @property
    def over(self) -> bool:
        return self.done or self.cancelled or self.error is not None

    def advance(self, codec: TextCodec, tokens: list[int]) -> None:
        """Take the next tokens, and tell the reader."""
        self.step += len(tokens)
        self.last = tokens[-1]
        self.extend(codec, tokens, self.request.stop)
        if self.done:
            self.result = self.generation()
        visible = self.result.text if self.result else settled(self.text, self.request.stop)
        if visible.startswith(self.visible):
            self.visible = visible
        self.changed()

    def fail(self, error: Exception) -> None:
        self.error = error
        self.changed()


def settled(text: str, stop: Sequence[str]) -> str:
    """The beginning of an unfinished text that later tokens cannot change: without bytes of a character that is not
    complete, and without what may become a stop string."""
    text = text.rstrip("\ufffd")
    for size in range(min(len(text), max(map(len, stop), default=0)), 0, -1):
        if any(string.startswith(text[-size:]) for string in stop):
            return text[:-size]
    return text
