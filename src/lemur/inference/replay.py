"""Recorded outputs in place of a model: scores again what any model once answered, and tests harnesses without one."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from lemur.inference.interface import Generation, Score
from lemur.records import Record, dump, read_jsonl


class ReplayModel:
    """Answers each prompt with what the samples of an evaluation (`data/eval/<model>/<task>.jsonl`) recorded for it."""

    chat = False

    def __init__(
        self, generations: dict[str, str], scores: dict[tuple[str, str], float], context_length: int = 1 << 20
    ) -> None:
        """`generations`: prompt to output; `scores`: (context, continuation) to log-probability."""
        self.context_length = context_length
        self._generations = generations
        self._scores = scores

    @classmethod
    def from_samples(cls, path: Path) -> "ReplayModel":
        """Reads samples with `prompt` and either `output` or `logprobs` ({continuation: log-probability})."""
        generations, scores = {}, {}
        for number, sample in enumerate(read_jsonl(path), 1):
            if "output" in sample:
                generations[sample["prompt"]] = sample["output"]
            elif "logprobs" in sample:
                scores.update({(sample["prompt"], text): value for text, value in sample["logprobs"].items()})
            else:
                raise ValueError(
                    f"{path}:{number}: a sample to replay has `output` or `logprobs`, this one {sorted(sample)}"
                )
        return cls(generations, scores)

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
        return [Generation(self._generations[prompt], 0, "stop") for prompt in prompts]

    def loglikelihood(self, requests: Sequence[tuple[str, str]]) -> list[Score]:
        missing = [request for request in requests if request not in self._scores]
        if missing:
            raise KeyError(f"{len(missing)} requests are not among the recorded ones; the first is {missing[0][1]!r}")
        return [Score(self._scores[request], (self._scores[request],), False) for request in requests]

    def rolling_loglikelihood(self, texts: Sequence[str], *, overlap: int) -> list[Score]:
        return self.loglikelihood([("", text) for text in texts])

    def count_tokens(self, text: str) -> int:
        return len(text.encode())  # no tokenizer: bytes, an upper bound

    def chat_prompt(self, messages: Sequence[dict[str, str]], *, prefill: str = "") -> str:
        raise ValueError("recorded outputs have no chat template")

    def identity(self) -> Record:
        answers = [
            sorted(self._generations.items()),
            sorted([*request, score] for request, score in self._scores.items()),
        ]
        return {"backend": "replay", "model_hash": hashlib.sha256(dump(answers).encode()).hexdigest()}
