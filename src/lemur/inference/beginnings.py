"""What many prompts begin with, computed once: the few-shot examples of a benchmark.

Where a prompt is split follows from the prompt alone (`Prompt.shared`), never from its neighbours, so that its answer
has the same bits whatever it is grouped with.
"""

from collections.abc import Sequence
from typing import NamedTuple

from lemur.inference.decoding import Cache
from lemur.inference.interface import shared
from lemur.inference.text import TextCodec
from lemur.inference.tiles import SHORTEST_REST, Programs, bucket, padded, stacked

SHORTEST = 64
"""Tokens. A shorter beginning is computed with the rest: a second program would cost more than it saves."""

MARGIN = 4
"""Tokens at the end of the shared text that count as the rest: those at its very end depend on what follows."""


class Split(NamedTuple):
    """Tokens of a prompt: `beginning`, which others may share (empty: nothing is), and the rest, at least one."""

    beginning: tuple[int, ...]
    rest: tuple[int, ...]


class Beginnings:
    """Caches of beginnings: as many of those last used as a tile has rows."""

    def __init__(self, programs: Programs, codec: TextCodec, context_length: int) -> None:
        self._programs, self._codec, self._context = programs, codec, context_length
        self._tokens: dict[str, list[int]] = {}
        self._caches: dict[tuple[tuple[int, ...], int], Cache] = {}

    def split(self, prompt: str, tokens: list[int]) -> Split:
        """`tokens` of `prompt` where its shared characters end."""
        whole = tuple(tokens)
        text = shared(prompt)
        if not text:
            return Split((), whole)
        if text not in self._tokens:
            self._tokens[text] = self._codec.encode_prompt(text)
        head = self._tokens[text]
        same = 0
        for ours, theirs in zip(head[: len(head) - MARGIN], whole[:-1], strict=False):
            if ours != theirs:
                break
            same += 1
        return Split(whole[:same], whole[same:]) if same >= SHORTEST else Split((), whole)

    def shape(self, split: Split) -> tuple[int, int]:
        """Buckets of the beginning (0: none) and of the rest."""
        if not split.beginning:
            return 0, bucket(len(split.rest), self._context)
        return bucket(len(split.beginning), self._context), bucket(len(split.rest), self._context, SHORTEST_REST)

    def caches(self, splits: Sequence[Split], tile: int, length: int) -> Cache | None:
        """One cache [tile, length] with each row's beginning; rows that fill the tile up get the first one's. None
        for a length of 0."""
        if not length:
            return None
        found = []
        for beginning in [split.beginning for split in splits] + [splits[0].beginning] * (tile - len(splits)):
            cache = self._caches.pop((beginning, length), None)
            if cache is None:
                tokens, _ = padded([beginning], 1, length)
                cache = self._programs.beginning(tokens, len(beginning))
            self._caches[beginning, length] = cache
            found.append(cache)
        for oldest in list(self._caches)[:-tile]:
            del self._caches[oldest]
        return stacked(found)
