"""Prefixes that many prompts share, such as a benchmark's few-shot examples: each is computed once.

The prompt alone (`Prompt.shared`) decides where it is split, never its neighbours, so its answer has the same bits
however prompts are grouped.
"""

from collections.abc import Sequence
from typing import NamedTuple

from lemur.inference.compiled_programs import SHORTEST_REST, Programs, bucket, padded, stacked
from lemur.inference.decoding import Cache
from lemur.inference.interface import shared_prefix
from lemur.inference.text import TextCodec

SHORTEST = 64
"""Tokens. A shorter prefix is computed with the rest: a second program would cost more than it saves."""

MARGIN = 4
"""Tokens at the end of the shared text that count as the rest: the tokenizer may merge them with what follows."""


class Split(NamedTuple):
    """Tokens of a prompt: the shared `prefix` (empty if nothing is shared) and the rest, at least one token."""

    prefix: tuple[int, ...]
    rest: tuple[int, ...]


class PrefixCache:
    """Caches of the most recently used prefixes, as many as a tile has rows."""

    def __init__(self, programs: Programs, codec: TextCodec, context_length: int) -> None:
        self._programs, self._codec, self._context = programs, codec, context_length
        self._tokens: dict[str, list[int]] = {}
        self._caches: dict[tuple[tuple[int, ...], int], Cache] = {}

    def split(self, prompt: str, tokens: list[int]) -> Split:
        """Split `tokens` of `prompt` where its shared characters end."""
        whole = tuple(tokens)
        text = shared_prefix(prompt)
        if not text:
            return Split((), whole)
        if text not in self._tokens:
            self._tokens[text] = self._codec.encode_prompt(text)
        prefix = self._tokens[text]
        length = 0
        for expected, actual in zip(prefix[: len(prefix) - MARGIN], whole[:-1], strict=False):
            if expected != actual:
                break
            length += 1
        return Split(whole[:length], whole[length:]) if length >= SHORTEST else Split((), whole)

    def shape(self, split: Split) -> tuple[int, int]:
        """Buckets of the prefix (0: none) and of the rest."""
        if not split.prefix:
            return 0, bucket(len(split.rest), self._context)
        return bucket(len(split.prefix), self._context), bucket(len(split.rest), self._context, SHORTEST_REST)

    def caches(self, splits: Sequence[Split], tile: int, length: int) -> Cache | None:
        """One cache [tile, length] with each row's prefix, or None if `length` is 0. Padding rows repeat the first
        row's."""
        if not length:
            return None
        caches = []
        for prefix in [split.prefix for split in splits] + [splits[0].prefix] * (tile - len(splits)):
            cache = self._caches.pop((prefix, length), None)
            if cache is None:
                tokens, _ = padded([prefix], 1, length)
                cache = self._programs.prefix_cache(tokens, len(prefix))
            self._caches[prefix, length] = cache
            caches.append(cache)
        for oldest in list(self._caches)[:-tile]:
            del self._caches[oldest]
        return stacked(caches)
