"""Recorded outputs in place of a model: scores again what any model once answered, and tests harnesses without one."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

from lemur.inference.interface import Generation, Score
from lemur.inference.text import TextCodec
from lemur.records import Record, dump, read_jsonl


class ReplayModel:
    """Answers each prompt with what the samples of an evaluation (`data/eval/<model>/<task>.jsonl`) recorded for it."""

    def __init__(
        self,
        generations: dict[str, list[Generation]],
        scores: dict[tuple[str, str], float],
        codec: TextCodec | None = None,
        context_length: int = 1 << 20,
    ) -> None:
        """`generations`: prompt to answers, given in turn; `scores`: (context, continuation) to log-probability;
        `codec` of the model that answered, where prompts have to be made and measured as for it."""
        self.context_length = context_length
        self._generations = generations
        self._scores = scores
        self._codec = codec
        self._given: Counter[str] = Counter()

    @classmethod
    def from_samples(cls, path: Path, codec: TextCodec | None = None, context_length: int = 1 << 20) -> "ReplayModel":
        """Reads samples with `prompt` and either `output` or `logprobs` ({continuation: log-probability})."""
        generations: defaultdict[str, list[Generation]] = defaultdict(list)
        scores = {}
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
        return cls(dict(generations), scores, codec, context_length)

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
        missing = [prompt for prompt in prompts if prompt not in self._generations]
        if missing:
            raise KeyError(
                f"{len(missing)} prompts are not among the recorded ones; the first ends {missing[0][-80:]!r}"
            )
        answers = []
        for prompt in prompts:
            recorded = self._generations[prompt]
            answers.append(recorded[self._given[prompt] % len(recorded)])
            self._given[prompt] += 1
        return answers

    def loglikelihood(self, requests: Sequence[tuple[str, str]]) -> list[Score]:
        missing = [request for request in requests if request not in self._scores]
        if missing:
            raise KeyError(f"{len(missing)} requests are not among the recorded ones; the first is {missing[0][1]!r}")
        return [Score(self._scores[request], (self._scores[request],), False) for request in requests]

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
