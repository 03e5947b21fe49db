"""Recorded outputs in place of a model: scores again what any model once answered, and tests harnesses without one."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import takewhile
from pathlib import Path

from lemur.core.records import Record, dump, read_jsonl
from lemur.inference.interface import Generation, Score, shared
from lemur.inference.text import TextCodec


class ReplayModel:
    """Answers each prompt with what the samples of an evaluation (`data/eval/<model>/<task>.jsonl`) recorded for it."""

    def __init__(
        self,
        generations: dict[str, list[Generation]],
        scores: dict[tuple[str, str], float],
        codec: TextCodec | None = None,
        context_length: int = 1 << 20,
        ids: dict[str, str] | None = None,
    ) -> None:
        """`generations`: prompt to answers, given in turn; `scores`: (context, continuation) to log-probability;
        `codec` of the model that answered, where prompts have to be made and measured as for it; `ids`: which item a
        prompt was of."""
        self.context_length = context_length
        self._generations = generations
        self._scores = scores
        self._codec = codec
        self._ids = ids or {}
        self._left = {prompt: list(answers) for prompt, answers in generations.items()}

    @classmethod
    def from_samples(cls, path: Path, codec: TextCodec | None = None, context_length: int = 1 << 20) -> "ReplayModel":
        """Reads samples with `prompt` and either `output` or `logprobs` ({continuation: log-probability})."""
        if not path.is_file():
            raise FileNotFoundError(f"{path} is missing; LEMUR_REPLAY is a folder with MODEL/TASK.jsonl, as data/eval/")
        generations: defaultdict[str, list[Generation]] = defaultdict(list)
        scores = {}
        ids = {}
        for number, sample in enumerate(read_jsonl(path), 1):
            if "output" in sample:
                truncated = sample.get("finish") == "length"
                answer = Generation(sample["output"], 0, "length" if truncated else "stop")
                generations[sample["prompt"]].append(answer)
            elif "logprobs" in sample:
                scores.update({(sample["prompt"], text): value for text, value in sample["logprobs"].items()})
            else:
                raise ValueError(
                    f"{path}:{number}: a sample to replay has `output` or `logprobs`, this one {sorted(sample)}"
                )
            ids[sample["prompt"]] = f"{path}:{number}: {sample.get('id', 'no id')}"
        return cls(dict(generations), scores, codec, context_length, ids)

    @property
    def chat(self) -> bool:
        return self._codec is not None and self._codec.chat_template is not None

    def generate(
        self,
        prompts: Sequence[str],
        *,
        max_new_tokens: int,
        stop: Sequence[str],
        temperature: float = 0.0,
        seed: int = 0,
    ) -> list[Generation]:
        self._check(prompts, self._generations)
        answers = []
        for prompt in prompts:
            if not self._left[prompt]:
                raise ValueError(
                    f"{self._ids.get(prompt, prompt[-200:])}: {len(self._generations[prompt])} answers are recorded "
                    "and more are asked for; take `samples` of the recorded run"
                )
            answers.append(self._left[prompt].pop(0))
        return answers

    def loglikelihood(self, requests: Sequence[tuple[str, str]]) -> list[Score]:
        self._check(list(dict.fromkeys(context for context, _ in requests)), {context for context, _ in self._scores})
        for context, continuation in requests:
            if (context, continuation) not in self._scores:
                raise ValueError(f"{self._ids.get(context, context[-200:])}: no score of {continuation!r} is recorded")
        return [Score(self._scores[request], (self._scores[request],), False) for request in requests]

    def _check(self, prompts: Sequence[str], recorded: Iterable[str]) -> None:
        """Raises `ValueError` that shows the first prompt without an answer, and the recorded one that ends most
        like it: that is the same item's, if prompts are made in another way."""
        known = set(recorded)
        missing = [(number, prompt) for number, prompt in enumerate(prompts, 1) if prompt not in known]
        if not missing:
            return
        number, prompt = missing[0]
        own = prompt[len(shared(prompt)) :]

        def alike(other: str) -> int:
            pairs = zip(reversed(other), reversed(prompt), strict=False)
            return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))

        others = sorted(known - set(prompts))  # sorted, so that equally alike ones give one message
        nearest = max(others, key=alike, default="")
        hint = (
            f"most like it and not asked for is {self._ids.get(nearest, nearest[-200:])}" if others else "none is left"
        )
        raise ValueError(
            f"no answers are recorded to {len(missing)} of {len(prompts)} prompts; the first is number {number}, "
            f"{own[-400:]!r}; of the recorded ones, {hint}. Prompts follow from items, shots, chat, context and the "
            "model folder's tokenizer: take those of the recorded run"
        )

    def rolling_loglikelihood(self, texts: Sequence[str], *, overlap: int) -> list[Score]:
        return self.loglikelihood([("", text) for text in texts])

    def count_tokens(self, text: str) -> int:
        if self._codec is None:
            return len(text.encode())  # no tokenizer: bytes, an upper bound
        return len(self._codec.encode_prompt(text))

    def chat_prompt(self, messages: Sequence[dict[str, str]], *, prefill: str = "") -> str:
        if self._codec is None:
            raise ValueError("recorded outputs have no chat template")
        return self._codec.chat_prompt(messages, prefill)

    def identity(self) -> Record:
        answers = [
            sorted([prompt, *(one.text for one in found)] for prompt, found in self._generations.items()),
            sorted([*request, score] for request, score in self._scores.items()),
        ]
        digest = hashlib.sha256(dump(answers).encode()).hexdigest()
        return {"backend": "replay", "model_hash": digest, **(self._codec.hashes() if self._codec else {})}
