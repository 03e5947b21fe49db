"""A model that saves its answers while an evaluation runs, so that an interrupted one resumes where it stopped."""

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from lemur.core.files import PACKAGE, ROOT
from lemur.core.records import Record, dump
from lemur.core.versions import installed
from lemur.inference.interface import Generation, Model, Score, shared_prefix

Answer = TypeVar("Answer", Generation, Score)
TILES_AT_ONCE = 8
"""Tiles between two saves: few enough to lose little work, enough to keep most tiles full."""


class CachedModel:
    """Asks `model` in portions, writes each portion's answers to `path` and never repeats a request answered there.
    This changes no answer, since a model's answers do not depend on how requests are grouped."""

    def __init__(self, model: Model, path: Path, *, portion: int) -> None:
        """`portion`: prompts between two saves."""
        self._model, self._path, self._portion = model, path, portion
        self._answers: dict[str, Record] = {}
        self.resumed = 0
        """Answers that an earlier run left."""
        if path.is_file():
            self._drop_torn_line()
            for line in path.read_bytes().splitlines():
                with suppress(ValueError, KeyError, TypeError):  # damaged when the machine crashed: ask again
                    record = json.loads(line)
                    self._answers[record["key"]] = record["answer"]
            self.resumed = len(self._answers)
        self.context_length = model.context_length

    @property
    def chat(self) -> bool:
        return self._model.chat

    def count_tokens(self, text: str) -> int:
        return self._model.count_tokens(text)

    def chat_prompt(self, messages: Sequence[dict[str, str]], *, prefill: str = "") -> str:
        return self._model.chat_prompt(messages, prefill=prefill)

    def identity(self) -> Record:
        return self._model.identity()

    def clear(self) -> None:
        """Delete the file once the evaluation is complete."""
        self._path.unlink(missing_ok=True)

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

        def sort_key(index: int) -> tuple[str, int, str]:
            return shared_prefix(prompts[index]), self.count_tokens(prompts[index]), prompts[index]

        settings = ["generate", max_new_tokens, list(stop), temperature, seed]
        order = sorted(range(len(prompts)), key=sort_key)
        records = self._answer(settings, prompts, order, ask, self._portion)
        return [Generation(**record) for record in records]

    def loglikelihood(self, requests: Sequence[tuple[str, str]]) -> list[Score]:
        # Keeps continuations of one context together, and contexts with one prefix: they share a pass.
        def sort_key(index: int) -> tuple[str, int, tuple[str, str]]:
            return shared_prefix(requests[index][0]), len(requests[index][0]), requests[index]

        order = sorted(range(len(requests)), key=sort_key)
        ask = self._model.loglikelihood
        return list(map(_score, self._answer(["loglikelihood"], requests, order, ask, 4 * self._portion)))

    def rolling_loglikelihood(self, texts: Sequence[str], *, overlap: int) -> list[Score]:
        def ask(portion: list[str]) -> list[Score]:
            return self._model.rolling_loglikelihood(portion, overlap=overlap)

        order = sorted(range(len(texts)), key=lambda index: (len(texts[index]), texts[index]))
        return list(map(_score, self._answer(["rolling", overlap], texts, order, ask, self._portion)))

    def _answer(
        self,
        settings: list[Any],
        requests: Sequence[Any],
        order: list[int],
        ask: Callable[[list[Any]], list[Answer]],
        portion: int,
    ) -> list[Record]:
        keys = [hashlib.sha256(dump([settings, request]).encode()).hexdigest() for request in requests]
        missing = list({keys[index]: index for index in reversed(order) if keys[index] not in self._answers}.values())
        missing.reverse()
        for start in range(0, len(missing), portion):
            indices = missing[start : start + portion]
            answers = ask([requests[index] for index in indices])
            self._save({keys[index]: vars(answer) for index, answer in zip(indices, answers, strict=True)})
        return [self._answers[key] for key in keys]

    def _save(self, answers: dict[str, Record]) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a", encoding="utf-8") as file:
            file.writelines(dump({"key": key, "answer": answer}) + "\n" for key, answer in answers.items())
        self._answers |= answers

    def _drop_torn_line(self) -> None:
        """Remove the line that a killed run left unfinished."""
        content = self._path.read_bytes()
        if not content.endswith(b"\n"):
            os.truncate(self._path, content.rfind(b"\n") + 1)


def with_cached_answers(model: Model, settings: Record, *, tile: int) -> CachedModel:
    """`model` with a file of answers for `settings`."""
    return CachedModel(model, cache_path(model.identity(), settings), portion=TILES_AT_ONCE * tile)


def cache_path(identity: Record, settings: Record) -> Path:
    """The file for one model's answers under `settings`. Its name covers the numerics and the code that computes them,
    so answers of another version are never reused."""
    code = hashlib.sha256()
    for path in sorted([*(PACKAGE / "model").glob("*.py"), *(PACKAGE / "inference").glob("*.py")]):
        code.update(path.name.encode() + b"\0" + path.read_bytes())
    numerics = {
        **{name: installed(name) or "" for name in ("jax", "jaxlib", "flax", "tokenizers")},
        **{name: os.environ.get(name, "") for name in ("XLA_FLAGS", "NPROC", "JAX_PLATFORMS")},
    }
    name = hashlib.sha256(dump([identity, settings, numerics, code.hexdigest()]).encode()).hexdigest()[:32]
    return Path(os.environ.get("LEMUR_ANSWERS", ROOT / ".lemur" / "answers")) / f"{name}.jsonl"


def _score(record: Record) -> Score:
    return Score(record["logprob"], tuple(record["token_logprobs"]), record["greedy"])
