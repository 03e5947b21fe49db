"""Answers as they come, in a terminal or a pipe."""

import re
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TextIO

from lemur.serving.engine import Engine
from lemur.serving.row import Request

HELP = "/reset forgets the conversation, /seed NUMBER sets the seed, /exit ends; Ctrl-C stops an answer"
# A model may write anything, also what moves the cursor or renames the window.
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def say(text: str, file: TextIO | None = None) -> None:
    file = file or sys.stdout
    file.write(CONTROL.sub("\ufffd", text) if file.isatty() else text)
    file.flush()


def note(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def stream(engine: Engine, request: Request, write: Callable[[str], None] = say) -> tuple[str, bool]:
    """Write the answer as it comes. Returns its text, and whether Ctrl-C stopped it."""
    changed = threading.Event()
    (row,) = engine.submit([request], changed.set)
    sent = 0
    try:
        while True:
            changed.wait()
            changed.clear()
            if row.error:
                raise row.error
            over, visible = row.result is not None, row.visible
            new, sent = visible[sent:], len(visible)
            write(new)
            if over:
                return visible, False
    except KeyboardInterrupt:
        return row.visible[:sent], True
    finally:
        engine.cancel([row])


@dataclass
class Chat:
    """A conversation. A model without a chat template continues each line by itself."""

    engine: Engine
    system: str
    temperature: float
    seed: int
    max_tokens: int | None
    messages: list[dict[str, str]] = field(default_factory=list)

    def run(self, lines: Callable[[], str]) -> None:
        """Answer each of `lines`, until EOFError or /exit."""
        while True:
            try:
                line = lines().rstrip("\n")
            except EOFError:
                return
            except KeyboardInterrupt:
                note("\n" + HELP)
                continue
            if line.strip() == "/exit":
                return
            if line.startswith("/"):
                self._command(line.split())
            elif line.strip():
                try:
                    self._answer(line)
                except KeyboardInterrupt:  # before the answer began
                    note("(stopped)")

    def _command(self, words: Sequence[str]) -> None:
        if words == ["/reset"]:
            self.messages.clear()
            note("A new conversation.")
        elif len(words) == 2 and words[0] == "/seed" and re.fullmatch(r"-?\d{1,18}", words[1]):
            self.seed = int(words[1])
            note(f"The seed is {self.seed}." + ("" if self.temperature else " It counts with --temperature above 0."))
        else:
            note(HELP)

    def _answer(self, question: str) -> None:
        asked = {"role": "user", "content": question}
        longest = self.max_tokens or self.engine.context_length
        try:
            prompt = self._prompt(asked) if self.engine.chat else question
            request = self.engine.request(prompt, max_tokens=longest, temperature=self.temperature, seed=self.seed)
        except ValueError as error:
            note(str(error))
            return
        answer, stopped = stream(self.engine, request)
        say("\n")
        if stopped:
            note("(stopped)")
        if self.engine.chat:
            self.messages += [asked, {"role": "assistant", "content": answer}]

    def _prompt(self, asked: dict[str, str]) -> str:
        """The conversation in the model's template; without its first turns if it leaves no room for an answer."""
        system = [{"role": "system", "content": self.system}] if self.system else []
        while True:
            prompt = self.engine.chat_prompt([*system, *self.messages, asked])
            room = self.engine.context_length - self.engine.count_tokens(prompt)
            wanted = min(self.max_tokens or self.engine.context_length, self.engine.context_length // 4)
            if room >= wanted or not self.messages:
                return prompt
            del self.messages[:2]
            note("(The conversation is too long for the model's context: its first question and answer are left out.)")
