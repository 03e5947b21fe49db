"""Loss on a small fixed part of the held-out documents, separately for code and text."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np
from flax import nnx
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from lemur.core.records import Record
from lemur.core.source_shards import read_source, sources
from lemur.tokens.tokenizers.tokenizer_folder import open_folder
from lemur.training.loss import token_losses

GROUPS = ("code", "text")
ROWS = 8


@dataclass(frozen=True)
class Part:
    """One group's documents as windows of equal length: int32 [windows, L], `counted` bool, and their `bytes`."""

    tokens: np.ndarray
    targets: np.ndarray
    counted: np.ndarray
    bytes: int


class Heldout:
    """Losses of a model on held-out documents.

    Args:
        folder: shards of documents (`lemur.core.source_shards`) with `group` and `text`.
        tokenizer: folder with tokenizer.json. Documents begin with the token `bos`, which is context only.
        length: tokens in a window; a longer document is split into windows that share no target.
        bytes_per_group: UTF-8 bytes to take of each group, the same number from every source that has so many.
    """

    def __init__(self, folder: Path, tokenizer: Path, *, bos: int, length: int, bytes_per_group: int) -> None:
        encode = open_folder(tokenizer)
        self.parts: dict[str, Part] = {}
        for group in GROUPS:
            texts = _texts(folder, group, bytes_per_group)
            ids = [e.ids for e in encode.encode_batch(texts, add_special_tokens=False)]
            windows = [window for document in ids for window in _windows([bos, *document], length)]
            if windows:
                self.parts[group] = _part(windows, length, sum(len(text.encode()) for text in texts))
        self._losses: Any = None

    def measure(self, graph: Any, params: Any, mesh: Mesh | None = None) -> dict[str, Record]:
        """Group -> {loss: nats per token, bits_per_byte}; a group without documents is left out."""
        if self._losses is None:
            self._losses = jax.jit(
                lambda params, tokens, targets: token_losses(nnx.merge(graph, params), tokens, targets),
                out_shardings=None if mesh is None else NamedSharding(mesh, PartitionSpec()),
            )
        # The same number of rows for each device.
        rows = math.lcm(ROWS, mesh.shape["data"] * mesh.shape["fsdp"]) if mesh else ROWS
        results: dict[str, Record] = {}
        for group, part in self.parts.items():
            nats = np.concatenate(
                [
                    np.asarray(self._losses(params, tokens, targets))
                    for tokens, targets in zip(_tiles(part.tokens, rows), _tiles(part.targets, rows), strict=True)
                ]
            )[: len(part.tokens)]
            total = math.fsum(nats[part.counted].tolist())
            results[group] = {
                "loss": total / int(part.counted.sum()),
                "bits_per_byte": total / math.log(2) / part.bytes,
            }
        return results


def _texts(folder: Path, group: str, limit: int) -> list[str]:
    """Beginnings of documents, with an equal share of bytes for each of the group's sources."""
    by_source = []
    for source in sources(folder):
        texts = [
            record["text"] for record in read_source(folder, source) if record["group"] == group and record["text"]
        ]
        if texts:
            by_source.append(texts)
    chosen: list[str] = []
    for texts in by_source:
        room = limit // len(by_source)
        for text in texts:
            if room <= 0:
                break
            piece = text.encode()[:room].decode(errors="ignore")
            if piece:
                chosen.append(piece)
            room -= len(text.encode())
    return chosen


def _windows(tokens: list[int], length: int) -> list[list[int]]:
    """Windows of up to `length` + 1 tokens; each begins with the last token of the one before."""
    return [tokens[start : start + length + 1] for start in range(0, len(tokens) - 1, length)]


def _part(windows: list[list[int]], length: int, size: int) -> Part:
    filled = np.zeros((len(windows), length + 1), np.int32)
    counted = np.zeros((len(windows), length), bool)
    for row, window in enumerate(windows):
        filled[row, : len(window)] = window
        counted[row, : len(window) - 1] = True
    return Part(filled[:, :-1], filled[:, 1:], counted, size)


def _tiles(array: np.ndarray, rows: int) -> list[np.ndarray]:
    """Blocks of `rows` rows, the last one padded, so that one compiled shape serves all."""
    padding = -len(array) % rows
    array = np.concatenate([array, np.zeros((padding, *array.shape[1:]), array.dtype)])
    return [array[start : start + rows] for start in range(0, len(array), rows)]
