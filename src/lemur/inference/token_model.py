"""The part that back ends taking tokens have in common: a model folder's tokenizer, its template, windows of texts."""

import hashlib
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lemur.core.records import Record, read_json
from lemur.core.versions import installed
from lemur.inference.interface import Score
from lemur.inference.text import TextCodec
from lemur.model.checksums import sha256

Part = tuple[np.ndarray, np.ndarray]
"""Log-probabilities [scored] of a window's last tokens, and whether each is the likeliest."""


@dataclass(frozen=True)
class Window:
    """Tokens that go through the model at once; the last `scored` of them count for request number `request`."""

    request: int
    tokens: list[int]
    scored: int


class PromptBuilder:
    """Builds and counts prompts for a model folder, without its weights."""

    def __init__(self, codec: TextCodec, context_length: int) -> None:
        self._codec = codec
        self.context_length = context_length

    @property
    def chat(self) -> bool:
        return self._codec.chat_template is not None

    def count_tokens(self, text: str) -> int:
        return len(self._codec.encode_prompt(text))

    def chat_prompt(self, messages: Sequence[dict[str, str]], *, prefill: str = "") -> str:
        return self._codec.chat_prompt(messages, prefill)

    def prompt(self, text: str, max_new_tokens: int) -> tuple[list[int], int]:
        """The tokens of a prompt, and how many its answer may have."""
        tokens = self._codec.encode_prompt(text) or [self._codec.bos_id]
        room = min(max_new_tokens, self.context_length - len(tokens))
        if room < 1:
            raise ValueError(f"a prompt has {len(tokens)} tokens and the model's context {self.context_length}")
        return tokens, room


class TokenModel(PromptBuilder, ABC):
    """Implements `lemur.inference.interface.Model` except `generate`, `identity` and the scores of a window."""

    def __init__(self, codec: TextCodec, context_length: int) -> None:
        super().__init__(codec, context_length)
        self.window = context_length
        """Maximum tokens scored at once."""

    @abstractmethod
    def each_token(self, windows: Sequence[Window]) -> list[Part]:
        """The scores of each window's last `scored` tokens, in the windows' order."""

    def loglikelihood(self, requests: Sequence[tuple[str, str]]) -> list[Score]:
        windows = [self.pair(index, *request) for index, request in enumerate(requests)]
        return self.scores(windows, len(requests))

    def rolling_loglikelihood(self, texts: Sequence[str], *, overlap: int) -> list[Score]:
        if not 1 <= overlap < self.window:
            raise ValueError(f"overlap is {overlap}; 1 to {self.window - 1} tokens are allowed")
        windows: list[Window] = []
        for index, text in enumerate(texts):
            tokens = [self._codec.bos_id, *self._codec.encode_document(text)]
            done = 1  # the beginning-of-text token is context and not scored
            while done < len(tokens):
                start = max(0, done - (overlap if done > 1 else 1))
                stop = min(len(tokens), start + self.window)
                windows.append(Window(index, tokens[start:stop], stop - done))
                done = stop
        return self.scores(windows, len(texts))

    def pair(self, request: int, context: str, continuation: str) -> Window:
        """The window that scores `continuation`. A context that is too long is cut at its beginning."""
        before, after = self._codec.encode_pair(context, continuation)
        whole = ((before or [self._codec.bos_id]) + after)[-self.window :]
        return Window(request, whole, min(len(after), len(whole) - 1))

    def scores(self, windows: Sequence[Window], requests: int) -> list[Score]:
        """The score of each request, whose windows are in order."""
        parts: defaultdict[int, list[Part]] = defaultdict(list)
        for window, part in zip(windows, self.each_token(windows), strict=True):
            parts[window.request].append(part)
        return [_score(parts[request]) for request in range(requests)]


LENGTHS = ("max_position_embeddings", "n_positions", "max_seq_len", "seq_length")
"""What config.json calls the context length: Llama and most others, GPT-2, MPT, Bloom."""


def longest_context(folder: Path) -> int | None:
    """The context length that the folder's config.json states."""
    config = read_json(folder / "config.json")
    config = {**config, **(config.get("text_config") or {})}  # of models that also see or hear
    return next((int(config[name]) for name in LENGTHS if config.get(name)), None)


def context_length(codec: TextCodec, limit: int | None) -> int:
    """The context length of the folder's model, or `limit` if that is less. Raises `ValueError` if neither is known."""
    longest = longest_context(codec.folder) or limit
    if longest is None:
        raise ValueError(f"{codec.folder / 'config.json'}: none of {', '.join(LENGTHS)} is there; set `context`")
    return min(limit or longest, longest)


LIBRARIES = {
    "jax": ("jax", "jaxlib", "tokenizers"),
    "transformers": ("tokenizers", "torch", "transformers"),
    "vllm": ("tokenizers",),
    "server": ("tokenizers",),
}
"""The libraries of each back end whose versions a result records."""


def identity(backend: str, codec: TextCodec) -> Record:
    """What a result records about the model of `codec`'s folder and the software that ran it.

    `model_hash` is `weights` of the training's report. It is null for a server, which may run other weights than the
    folder's.
    """
    return {
        "backend": backend,
        "library_versions": {name: installed(name) for name in LIBRARIES[backend]},
        "model_hash": None if backend == "server" else sha256(codec.folder),
        **codec.hashes(),
    }


def key(prompt: str, seed: int) -> bytes:
    """Eight bytes from seed and prompt: a sample depends on nothing else."""
    return hashlib.sha256(f"{seed}\n{prompt}".encode()).digest()[:8]


def _score(parts: Sequence[Part]) -> Score:
    values = [float(value) for logprobs, _ in parts for value in logprobs]
    return Score(
        float(np.sum(values, dtype=np.float64)) if values else 0.0,
        tuple(values),
        all(bool(greedy.all()) for _, greedy in parts),
    )
