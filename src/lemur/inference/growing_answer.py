"""An answer that grows by a few tokens at a time, and the rule that ends it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from lemur.inference.interface import Generation
from lemur.inference.text import TextCodec, first_stop


@dataclass
class GrowingAnswer:
    """The tokens of a prompt and of its answer so far. `room`: tokens that the answer may have. `text` is the answer's
    text so far; it, `tokens` and `stopped` are as in `Generation` once the answer is `done`."""

    prompt: list[int]
    room: int
    answer: list[int] = field(default_factory=list)
    text: str = ""
    tokens: int = 0
    checked: int = 0
    stopped: bool = False
    done: bool = False

    def extend(self, codec: TextCodec, tail: list[int], stop: Sequence[str]) -> None:
        """Append new tokens up to an end-of-text token, a stop string or the limit `room`, whichever comes first."""
        for token in tail:
            if token in codec.eos_ids:
                self.tokens, self.stopped, self.done = len(self.answer) + 1, True, True
                break
            self.answer.append(token)
            if len(self.answer) == self.room:
                self.done = True
                break
        before = self.checked
        self.text = codec.decode_answer(self.prompt, self.answer)
        self.checked = len(self.answer)
        cut = first_stop(self.text, stop)
        if cut is not None:
            # Count up to the token that completed the stop string: `tokens` must not depend on how many come at once.
            count = next(
                count
                for count in range(before, len(self.answer) + 1)
                if first_stop(codec.decode_answer(self.prompt, self.answer[:count]), stop) is not None
            )
            self.text, self.tokens, self.stopped, self.done = self.text[:cut], count, True, True
        elif self.done and not self.stopped:
            self.tokens = len(self.answer)

    def generation(self) -> Generation:
        return Generation(self.text, self.tokens, "stop" if self.stopped else "length")
