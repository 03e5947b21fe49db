"""InterCode's reward for a Bash command: changed files, their content and the output (intercode/envs/bash/bash_env.py).

Kept faults of the paper's rule: a name with a space breaks the list of changes; the content of changed files (M) and of
names without a dot is not compared; the output is a bag of words of two characters or more."""

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

Change = tuple[str, str]
"""A path, and what git says of it."""
_WORD = re.compile(r"(?u)\b\w\w+\b")


@dataclass(frozen=True)
class Parts:
    """The parts of a reward, each at most 0.33."""

    file_diff: float
    file_changes: float
    answer_similarity: float

    @property
    def reward(self) -> float:
        return 0.01 + self.file_diff + self.file_changes + self.answer_similarity


def changes(status: str) -> list[Change] | None:
    """The output of `git status --short` as pairs of words; `None` where the original fails, on an odd number."""
    words = status.split()
    return None if len(words) % 2 else list(zip(words[1::2], words[::2], strict=True))


def parts(
    ours: Sequence[Change], theirs: Sequence[Change], equal: Callable[[str], bool], answers: tuple[str, str | None]
) -> Parts:
    """`equal`: whether the content at a path is the same; `answers`: output of the agent, and of the gold command
    (`None`: it did not run)."""
    differing = set(ours) ^ set(theirs)
    added = sorted(change for change in set(ours) & set(theirs) if change[1] in ("A", "??", "C"))
    same = sum(equal(path) for path, _ in added)
    return Parts(
        round(0.33 * (1 - math.erf(len(differing))), 2),
        round(0.33 * (same / len(added)), 2) if added else 0.33,
        round(0.33 * similarity(*answers), 2),
    )


def similarity(first: str, second: str | None) -> float:
    """Cosine of the two texts' TF-IDF vectors, as scikit-learn's `TfidfVectorizer` makes them of these two; without any
    word, or without the second text, whether they are equal."""
    if second is None:
        return 0.0
    counts = [Counter(_WORD.findall(text.lower())) for text in (first, second)]
    words = set(counts[0]) | set(counts[1])
    if not words:
        return float(first == second)
    weight = {word: math.log(3 / (1 + sum(word in count for count in counts))) + 1 for word in words}
    vectors = [{word: number * weight[word] for word, number in count.items()} for count in counts]
    norms = [math.sqrt(math.fsum(value * value for value in vector.values())) for vector in vectors]
    if 0 in norms:
        return 0.0
    return math.fsum(value * vectors[1].get(word, 0) for word, value in vectors[0].items()) / (norms[0] * norms[1])
