"""Log-probabilities of given tokens."""

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from lemur.inference.compiled_programs import bucket, padded
from lemur.serving.programs import token_scores
from lemur.serving.tile import Computer

MOST_TOP = 20


class Scores(NamedTuple):
    """Log-probabilities [N - 1] of all N tokens but the first; the likeliest tokens [N - 1, K] at these places, and
    their log-probabilities."""

    logprobs: np.ndarray
    top: np.ndarray
    top_logprobs: np.ndarray


@dataclass
class Scoring:
    """Tokens that wait for their scores. `top`: how many of the likeliest tokens are wanted."""

    tokens: list[int]
    top: int
    result: "Future[Scores]" = field(default_factory=Future)

    def program(self, context: int) -> tuple[int, int]:
        """Bucket and K: two programs for each bucket are enough."""
        return bucket(len(self.tokens), context), 1 if self.top <= 1 else MOST_TOP


def score(computer: Computer, jobs: Sequence[Scoring], program: tuple[int, int]) -> None:
    """Up to a tile of jobs of one program."""
    length, count = program
    tokens, _ = padded([job.tokens for job in jobs], computer.tile, length)
    scores = [np.asarray(values) for values in token_scores(computer.model, tokens, count=count)]
    for row, job in enumerate(jobs):
        job.result.set_result(Scores(*(values[row, : len(job.tokens) - 1] for values in scores)))
