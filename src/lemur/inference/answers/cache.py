"""A model that keeps its answers: no request is asked twice, even by a later evaluation with another scoring rule."""

import hashlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from lemur.core import append_only
from lemur.core.records import Record, dump
from lemur.inference.interface import Generation, Model, Score, shared_prefix

Answer = TypeVar("Answer", Generation, Score)
TILES_AT_ONCE = 8
"""Tiles between two saves: few enough to lose little work, enough to keep most tiles full."""


@dataclass(frozen=True)
class Outlook:
    """What an evaluation that runs will do: ask some prompts, only score again, read recorded samples, or nothing.
    `path`: the file of its answers."""

    verdict: Literal["rerun", "regrade", "replay", "skipped"]
    explanation: str
    path: Path | None = None


class CachedModel:
    """Asks `model` in portions, adds each portion's answers to the file `path` and never repeats a request answered
    there. This changes no answer, since a model's answers do not depend on how requests are grouped.

    Several processes may use the file at once. If two of them ask the same, the first answer in the file counts."""

    def __init__(self, model: Model, path: Path, *, portion: int) -> None:
        """`portion`: prompts between two saves."""
        self.path = path
        self._model, self._portion = model, portion
        self._answers = read_answers(path)
        self.context_length = model.context_length
        self.reused: set[str] = set()
        """Keys of the answers that were on record."""
        self.asked: set[str] = set()
        """Keys of the answers that the model gave."""

    @property
    def chat(self) -> bool:
        return self._model.chat

    def count_tokens(self, text: str) -> int:
        return self._model.count_tokens(text)

    def chat_prompt(self, messages: Sequence[dict[str, str]], *, prefill: str = "") -> str:
        return self._model.chat_prompt(messages, prefill=prefill)

    def identity(self) -> Record:
        return self._model.identity()

    def rehearse(self) -> "Rehearsal":
        """The same model with the answers on record and no others."""
        return Rehearsal(self)

    def generate(
        self,
        prompts: Sequence[str],
        *,
        max_new_tokens: int,
        stop: Sequence[str],
        temperature: float = 0.0,
        seed: int = 0,
    ) -> list[Generation]:
        def ask(portion: list[str]) -> list[Generation]:
            return self._model.generate(
                portion, max_new_tokens=max_new_tokens, stop=stop, temperature=temperature, seed=seed
            )

        def order(prompt: str) -> tuple[str, int, str]:
            return shared_prefix(prompt), self.count_tokens(prompt), prompt

        settings = ["generate", max_new_tokens, list(stop), temperature, seed]
        return [Generation(**record) for record in self._answer(settings, prompts, order, ask, self._portion)]

    def loglikelihood(self, requests: Sequence[tuple[str, str]]) -> list[Score]:
        # Keeps continuations of one context together, and contexts with one prefix: they share a pass.
        def order(request: tuple[str, str]) -> tuple[str, int, tuple[str, str]]:
            return shared_prefix(request[0]), len(request[0]), request

        ask = self._model.loglikelihood
        return list(map(_score, self._answer(["loglikelihood"], requests, order, ask, 4 * self._portion)))

    def rolling_loglikelihood(self, texts: Sequence[str], *, overlap: int) -> list[Score]:
        def ask(portion: list[str]) -> list[Score]:
            return self._model.rolling_loglikelihood(portion, overlap=overlap)

        def order(text: str) -> tuple[int, str]:
            return len(text), text

        return list(map(_score, self._answer(["rolling", overlap], texts, order, ask, self._portion)))

    def _answer(
        self,
        settings: list[Any],
        requests: Sequence[Any],
        order: Callable[[Any], Any],
        ask: Callable[[list[Any]], list[Answer]],
        portion: int,
    ) -> list[Record]:
        keys = [request_key(settings, request) for request in requests]
        self.reused |= set(keys) & self._answers.keys() - self.asked
        missing = {key: request for key, request in zip(keys, requests, strict=True) if key not in self._answers}
        left = sorted(missing, key=lambda key: order(missing[key]))
        for start in range(0, len(left), portion):
            together = left[start : start + portion]
            answers = ask([missing[key] for key in together])
            self._save({key: vars(answer) for key, answer in zip(together, answers, strict=True)})
        return [self._answers[key] for key in keys]

    def _save(self, answers: dict[str, Record]) -> None:
        append_only.append(self.path, [{"key": key, "answer": answer} for key, answer in answers.items()])
        self._answers |= answers
        self.asked |= set(answers)


class Rehearsal(CachedModel):
    """Gives the answers on record, and empty ones in place of those that are missing: it asks nothing."""

    def __init__(self, model: CachedModel) -> None:
        self.path = model.path
        self._model, self._answers, self._portion = model._model, model._answers, model._portion
        self.context_length = model.context_length
        self.reused, self.asked = model.reused, model.asked
        self.prompts: set[str] = set()
        """All prompts."""
        self.missing: set[str] = set()
        """Prompts with an answer that is not on record."""

    def outlook(self) -> Outlook:
        """What the evaluation will do, after it has been rehearsed with this model."""
        if self.missing:
            return Outlook("rerun", f"{len(self.missing)} of {len(self.prompts)} prompts to ask", self.path)
        return Outlook("regrade", f"the answers to all {len(self.prompts)} prompts are on record", self.path)

    def _answer(
        self,
        settings: list[Any],
        requests: Sequence[Any],
        order: Callable[[Any], Any],
        ask: Callable[[list[Any]], list[Answer]],
        portion: int,
    ) -> list[Record]:
        empty = {"text": "", "tokens": 0, "finish": "stop"}
        if settings[0] != "generate":
            empty = {"logprob": 0.0, "token_logprobs": (), "greedy": False}
        keys = [request_key(settings, request) for request in requests]
        self.reused |= set(keys) & self._answers.keys()
        self.prompts |= {_prompt(request) for request in requests}
        self.missing |= {
            _prompt(request) for key, request in zip(keys, requests, strict=True) if key not in self._answers
        }
        return [self._answers.get(key, empty) for key in keys]


def request_key(settings: list[Any], request: Any) -> str:
    """The hash of all that a request consists of: method, settings, text, and how much of the text is shared."""
    return hashlib.sha256(dump([settings, request, len(shared_prefix(_prompt(request)))]).encode()).hexdigest()


def read_answers(path: Path) -> dict[str, Record]:
    """Answers by key. Lines that a killed process or a crashed machine left damaged are passed over."""
    answers: dict[str, Record] = {}
    for record in append_only.read(path):
        with suppress(KeyError, TypeError):  # no key, or one that is no text
            answers.setdefault(record["key"], record["answer"])
    return answers


def _prompt(request: str | tuple[str, str]) -> str:
    """The text that a request continues or scores, without the continuation."""
    return request if isinstance(request, str) else request[0]


def _score(record: Record) -> Score:
    return Score(record["logprob"], tuple(record["token_logprobs"]), record["greedy"])
