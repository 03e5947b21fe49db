"""Beginnings that many prompts share, such as instructions and examples: a page holds each of them once."""

from collections import Counter
from collections.abc import Iterator, Sequence
from hashlib import blake2b

SHORTEST = 400
"""Characters from which a beginning is worth a reference."""
COMMON = 4
"""Prompts that must share it."""


def shared(prompts: Sequence[str]) -> list[int]:
    """For each prompt the length of its beginning, up to a line's end, that the most of its characters share: the
    longest one that at least `COMMON` of the prompts have; 0 if there is none."""
    ends = [list(_line_ends(prompt)) for prompt in prompts]
    common = Counter(digest for prompt in ends for _, digest in prompt)
    return [
        max((length for length, digest in prompt if length >= SHORTEST and common[digest] >= COMMON), default=0)
        for prompt in ends
    ]


def _line_ends(text: str) -> Iterator[tuple[int, bytes]]:
    """The length of the text up to each of its line ends, and a hash of it."""
    running, length = blake2b(digest_size=12), 0
    for line in text.splitlines(keepends=True):
        running.update(line.encode("utf-8", "surrogatepass"))
        length += len(line)
        if line.endswith("\n"):
            yield length, running.digest()
