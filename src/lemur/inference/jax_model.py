"""The in-process back end: runs a model folder of this project (or any Llama in safetensors) in JAX."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from lemur.core.records import Record
from lemur.inference.compiled_programs import Programs, Row, bucket, padded, tiles
from lemur.inference.growing_answer import GrowingAnswer
from lemur.inference.interface import Generation, Score
from lemur.inference.prefix_cache import PrefixCache, Split
from lemur.inference.text import TextCodec
from lemur.inference.token_model import Part, TokenModel, Window, identity, key
from lemur.model.llama import Llama


class JaxModel(TokenModel):
    """A `lemur.inference.interface.Model` in float32."""

    def __init__(self, model: Llama, codec: TextCodec, *, tile: int, context: int | None = None) -> None:
        longest = model.config.max_position_embeddings
        super().__init__(codec, min(context or longest, longest))
        self._tile = tile
        self._programs = Programs(model)
        self._prefixes = PrefixCache(self._programs, codec, self.context_length)

    @classmethod
    def load(cls, folder: Path, *, tile: int, bos: bool, context: int | None = None) -> "JaxModel":
        """`tile`: sequences computed together; `bos`: whether prompts begin with the beginning-of-text token;
        `context`: maximum tokens of prompt plus answer, if fewer than the model allows."""
        from lemur.model import folder as model_folder

        return cls(model_folder.load(folder)[1], TextCodec(folder, bos=bos), tile=tile, context=context)

    def identity(self) -> Record:
        return identity("jax", self._codec)

    def loglikelihood(self, requests: Sequence[tuple[str, str]]) -> list[Score]:
        # One-token continuations of one context (the letters of a multiple choice) share a forward pass.
        single: defaultdict[Split, list[tuple[int, int]]] = defaultdict(list)
        several: list[int] = []
        for index, (context, continuation) in enumerate(requests):
            before, after = self._codec.encode_pair(context, continuation)
            if len(after) == 1:
                # Cut as in `pair`: the scored token takes one place of the window.
                split = self._prefixes.split(context, (before or [self._codec.bos_id])[1 - self.window :])
                single[split].append((index, after[0]))
            else:
                several.append(index)
        scores = self._score_single(single)
        scores |= zip(several, super().loglikelihood([requests[index] for index in several]), strict=True)
        return [scores[index] for index in range(len(requests))]

    def _score_single(self, contexts: dict[Split, list[tuple[int, int]]]) -> dict[int, Score]:
        scores = {}
        for shape, group in self._by_shape(sorted(contexts)).items():
            for rows in tqdm(list(tiles(group, self._tile)), f"context {shape}"):
                tokens, lengths = padded([row.rest for row in rows], self._tile, shape[1])
                shared = self._prefixes.caches(rows, self._tile, shape[0])
                logprobs = self._programs.next_token(shared, tokens, lengths)
                for row, values in zip(rows, logprobs, strict=False):
                    for index, token in contexts[row]:
                        value = float(values[token])
                        scores[index] = Score(value, (value,), bool(values.argmax() == token))
        return scores

    def _by_shape(self, rows: Sequence[Split]) -> dict[tuple[int, int], list[Split]]:
        groups: defaultdict[tuple[int, int], list[Split]] = defaultdict(list)
        for row in rows:
            groups[self._prefixes.shape(row)].append(row)
        return dict(sorted(groups.items()))

    def each_token(self, windows: Sequence[Window]) -> list[Part]:
        parts: dict[int, Part] = {}
        order = sorted(range(len(windows)), key=lambda index: (len(windows[index].tokens), windows[index].tokens))
        for length, group in self._grouped(order, lambda index: len(windows[index].tokens)).items():
            for indices in tqdm(list(tiles(group, self._tile)), f"context {length}"):
                tokens, _ = padded([windows[index].tokens for index in indices], self._tile, length)
                logprobs, greedy = self._programs.each_token(tokens)
                for row, index in enumerate(indices):
                    window = windows[index]
                    new = slice(len(window.tokens) - 1 - window.scored, len(window.tokens) - 1)
                    parts[index] = logprobs[row, new], greedy[row, new]
        return [parts[index] for index in range(len(windows))]

    def generate(
        self,
        prompts: Sequence[str],
        *,
        max_new_tokens: int,
        stop: Sequence[str],
        temperature: float = 0.0,
        seed: int = 0,
    ) -> list[Generation]:
        answers = []
        for prompt in prompts:
            tokens, room = self.prompt(prompt, max_new_tokens)
            split = self._prefixes.split(prompt, tokens)
            sampling_key = np.frombuffer(key(prompt, seed), "<u4")
            answers.append(_Answer(tokens, room, split=split, key=sampling_key))

        def shape(answer: _Answer) -> tuple[int, int, int]:
            # max_new_tokens as requested decides the cache's bucket, so `room` changes no program.
            longest = min(len(answer.prompt) + max_new_tokens, self.context_length)
            return *self._prefixes.shape(answer.split), bucket(longest, self.context_length)

        groups: defaultdict[tuple[int, int, int], list[_Answer]] = defaultdict(list)
        for answer in sorted(answers, key=lambda answer: (answer.split.prefix, len(answer.prompt), answer.prompt)):
            groups[shape(answer)].append(answer)
        for lengths, group in sorted(groups.items()):
            for rows in tqdm(list(tiles(group, self._tile)), f"prefix, prompt, cache {lengths}"):
                self._generate(rows, *lengths, stop, temperature)
        return [answer.generation() for answer in answers]

    def _generate(
        self,
        rows: Sequence["_Answer"],
        prefix_length: int,
        length: int,
        cache_length: int,
        stop: Sequence[str],
        temperature: float,
    ) -> None:
        tokens, lengths = padded([row.split.rest for row in rows], self._tile, length)
        keys = np.zeros((self._tile, 2), np.uint32)
        for index, row in enumerate(rows):
            keys[index] = row.key
        shared = self._prefixes.caches([row.split for row in rows], self._tile, prefix_length)
        for new in self._programs.generate(shared, tokens, lengths, keys, temperature, cache_length=cache_length):
            for row, tail in zip(rows, new, strict=False):
                if not row.done:
                    row.extend(self._codec, tail.tolist(), stop)
            if all(row.done for row in rows):
                return

    def _grouped(self, rows: Sequence[Row], length: Callable[[Row], int]) -> dict[int, list[Row]]:
        groups: defaultdict[int, list[Row]] = defaultdict(list)
        for row in rows:
            groups[bucket(length(row), self.context_length)].append(row)
        return dict(sorted(groups.items()))


@dataclass(kw_only=True)
class _Answer(GrowingAnswer):
    """A row of a tile: the answer, its prompt's split, and the key of its samples."""

    split: Split
    key: np.ndarray
