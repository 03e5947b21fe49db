"""Recorded outputs instead of a model: rescores what a model once answered, and tests harnesses without a model."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import takewhile
from pathlib import Path

from lemur.core.records import Record, dump, read_jsonl
from lemur.inference.interface import Generation, Score, shared_prefix
from lemur.inference.text import TextCodec


class ReplayModel:
    """Answers each prompt with the answer recorded in an evaluation's samples (`data/eval/<model>/<task>.jsonl`)."""

    def __init__(
        self,
        generations: dict[str, list[Generation]],
        scores: dict[tuple[str, str], float],
        codec: TextCodec | None = None,
        context_length: int = 1 << 20,
        ids: dict[str, str] | None = None,
    ) -> None:
        """`generations`: prompt to answers, returned in turn; `scores`: (context, continuation) to log-probability;
        `codec`: the answering model's, if prompts must be built and counted as for it; `ids`: prompt to its item, for
        messages."""
        self.context_length = context_length
        self._generations = generations
        self._scores = scores
        self._codec = codec
        self._ids = ids or {}
        self._unused = {prompt: list(answers) for prompt, answers in generations.items()}

    @classmethod
    def from_samples(cls, path: Path, codec: TextCodec | None = None, context_length: int = 1 << 20) -> "ReplayModel":
        """Read samples with `prompt` and either `output` or `logprobs` ({continuation: log-probability})."""
        if not path.is_file():
            raise FileNotFoundError(f"{path} is missing; LEMUR_REPLAY must hold MODEL/TASK.jsonl, like data/eval/")
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
                    f"{path}:{number}: a sample to replay needs `output` or `logprobs`, this one has {sorted(sample)}"
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
            if not self._unused[prompt]:
                raise ValueError(
                    f"{self._ids.get(prompt, prompt[-200:])}: {len(self._generations[prompt])} answers are recorded "
                    "and more are requested; set `samples` as in the recorded run"
                )
            answers.append(self._unused[prompt].pop(0))
        return answers

    def loglikelihood(self, requests: Sequence[tuple[str, str]]) -> list[Score]:
        self._check(list(dict.fromkeys(context for context, _ in requests)), {context for context, _ in self._scores})
        for context, continuation in requests:
            if (context, continuation) not in self._scores:
                raise ValueError(f"{self._ids.get(context, context[-200:])}: no score of {continuation!r} is recorded")
        return [Score(self._scores[request], (self._scores[request],), False) for request in requests]

    def _check(self, prompts: Sequence[str], recorded: Iterable[str]) -> None:
        """Raises `ValueError` that shows the first prompt without an answer and the recorded prompt with the most
        similar ending: if prompts are built differently, that one belongs to the same item."""
        known = set(recorded)
        missing = [(number, prompt) for number, prompt in enumerate(prompts, 1) if prompt not in known]
        if not missing:
            return
        number, prompt = missing[0]
        rest = prompt[len(shared_prefix(prompt)) :]

        def common_suffix(other: str) -> int:
            pairs = zip(reversed(other), reversed(prompt), strict=False)
            return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))

        others = sorted(known - set(prompts))  # sorted, so that ties always give the same message
        nearest = max(others, key=common_suffix, default="")
        hint = f"the most similar unused one is {self._ids.get(nearest, nearest[-200:])}" if others else "none is left"
        raise ValueError(
            f"no answers are recorded for {len(missing)} of {len(prompts)} prompts; the first is number {number}, "
            f"{rest[-400:]!r}; of the recorded prompts, {hint}. Items, shots, chat, context and the model folder's "
            "tokenizer decide the prompts: use those of the recorded run"
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
        recorded = [
            sorted([prompt, *(answer.text for answer in answers)] for prompt, answers in self._generations.items()),
            sorted([*request, score] for request, score in self._scores.items()),
        ]
        digest = hashlib.sha256(dump(recorded).encode()).hexdigest()
        return {"backend": "replay", "model_hash": digest, **(self._codec.hashes() if self._codec else {})}
