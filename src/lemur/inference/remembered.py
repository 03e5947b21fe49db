"""A model whose answers are kept while an evaluation runs, so that an interrupted one goes on where it stopped."""

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
from lemur.inference.interface import Generation, Model, Score, shared

Answer = TypeVar("Answer", Generation, Score)
TILES_AT_ONCE = 8
"""Tiles computed between two saves: few enough to lose little, enough that most tiles are full."""


class Remembered:
    """Asks `model` in portions and writes each portion's answers to `path`; what stands there already is not asked
    again. That changes no answer, for a model's do not depend on how requests are grouped."""

    def __init__(self, model: Model, path: Path, *, portion: int) -> None:
        """`portion`: prompts between two saves."""
        self._model, self._path, self._portion = model, path, portion
        self._known: dict[str, Record] = {}
        self.resumed = 0
        """Answers that an earlier run left."""
        if path.is_file():
            self._drop_torn_line()
            for line in path.read_bytes().splitlines():
                with suppress(ValueError, KeyError, TypeError):  # left by a crash of the machine: asked again
                    record = json.loads(line)
                    self._known[record["key"]] = record["answer"]
            self.resumed = len(self._known)
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

    def forget(self) -> None:
        """Remove the file: the evaluation is complete."""
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

        how = ["generate", max_new_tokens, list(stop), temperature, seed]
        tokens = [self.count_tokens(prompt) for prompt in prompts]
        order = sorted(range(len(prompts)), key=lambda index: (shared(prompts[index]), tokens[index], prompts[index]))
        found = self._answers(how, prompts, order, ask, self._portion)
        return [Generation(**record) for record in found]

    def loglikelihood(self, requests: Sequence[tuple[str, str]]) -> list[Score]:
        # Continuations of one context stay together, and contexts with one beginning: they share a pass.
        def place(index: int) -> tuple[str, int, tuple[str, str]]:
            return shared(requests[index][0]), len(requests[index][0]), requests[index]

        order = sorted(range(len(requests)), key=place)
        ask = self._model.loglikelihood
        return list(map(_score, self._answers(["loglikelihood"], requests, order, ask, 4 * self._portion)))

    def rolling_loglikelihood(self, texts: Sequence[str], *, overlap: int) -> list[Score]:
        def ask(portion: list[str]) -> list[Score]:
            return self._model.rolling_loglikelihood(portion, overlap=overlap)

        order = sorted(range(len(texts)), key=lambda index: (len(texts[index]), texts[index]))
        return list(map(_score, self._answers(["rolling", overlap], texts, order, ask, self._portion)))

    def _answers(
        self,
        how: list[Any],
        requests: Sequence[Any],
        order: list[int],
        ask: Callable[[list[Any]], list[Answer]],
        portion: int,
    ) -> list[Record]:
        keys = [hashlib.sha256(dump([how, request]).encode()).hexdigest() for request in requests]
        missing = list({keys[index]: index for index in reversed(order) if keys[index] not in self._known}.values())
        missing.reverse()
        for start in range(0, len(missing), portion):
            asked = missing[start : start + portion]
            answers = ask([requests[index] for index in asked])
            self._keep({keys[index]: vars(answer) for index, answer in zip(asked, answers, strict=True)})
        return [self._known[key] for key in keys]

    def _keep(self, answers: dict[str, Record]) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a", encoding="utf-8") as file:
            file.writelines(dump({"key": key, "answer": answer}) + "\n" for key, answer in answers.items())
        self._known |= answers

    def _drop_torn_line(self) -> None:
        """The one that was being written when the run was killed."""
        content = self._path.read_bytes()
        if not content.endswith(b"\n"):
            self._path.write_bytes(content[: content.rfind(b"\n") + 1])


def remember(model: Model, settings: Record, *, tile: int) -> Remembered:
    """`model`, its answers kept under a name of their own for `settings`."""
    return Remembered(model, place(model.identity(), settings), portion=TILES_AT_ONCE * tile)


def place(identity: Record, settings: Record) -> Path:
    """The file for the answers of one model under `settings`. Its name holds the numerics and the code that computes,
    so that answers of another version are never taken."""
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
