"""A tile of answers in the making, whose caches have one capacity."""

from collections.abc import Sequence

import jax
import numpy as np

from lemur.inference.compiled_programs import padded
from lemur.inference.decoding import Cache, unstacked
from lemur.model.llama import Llama
from lemur.serving.programs import empty_cache, first_tokens, next_tokens, with_rows
from lemur.serving.row import Row


class Computer:
    """The model, and how many rows its programs compute together."""

    def __init__(self, model: Llama, tile: int) -> None:
        self.model, self.tile = model, tile
        self.layers = jax.jit(unstacked)(model)

    def start(self, rows: Sequence[Row]) -> tuple[np.ndarray, Cache]:
        """The first token of up to a tile of rows whose prompts have one bucket, and their cache."""
        tokens, lengths = padded([row.prompt for row in rows], self.tile, rows[0].prompt_bucket)
        keys, temperatures, _, _ = self._settings(rows)
        sampled = bool(temperatures.any())
        token, cache = first_tokens(self.model, tokens, lengths, keys, temperatures, sampled=sampled)
        return np.asarray(token), cache

    def continue_(self, cache: Cache, rows: Sequence[Row | None]) -> tuple[Cache, np.ndarray]:
        """The cache and the next tokens [tile, STEPS] of rows that stand in it."""
        keys, temperatures, steps, last = self._settings(rows)
        sampled = bool(temperatures.any())
        new, tokens = next_tokens(self.model, self.layers, cache, last, keys, temperatures, steps, sampled=sampled)
        return new, np.asarray(tokens)

    def _settings(self, rows: Sequence[Row | None]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Keys uint32 [tile, 2], temperatures, steps and newest tokens [tile]."""
        keys = np.zeros((self.tile, 2), np.uint32)
        temperatures = np.zeros(self.tile, np.float32)
        steps, last = np.zeros((2, self.tile), np.int32)
        for place, row in enumerate(rows):
            if row is not None:
                keys[place], temperatures[place] = row.key, row.request.temperature
                steps[place], last[place] = row.step, row.last
        return keys, temperatures, steps, last


class Tile:
    """Rows and their cache of `capacity` tokens each. A place without a row is computed too, for nothing."""

    def __init__(self, computer: Computer, capacity: int) -> None:
        self._computer, self.capacity = computer, capacity
        self.rows: list[Row | None] = [None] * computer.tile
        self.cache = empty_cache(computer.model, computer.tile, capacity)

    def free(self) -> list[int]:
        return [place for place, row in enumerate(self.rows) if row is None]

    def put(self, rows: Sequence[Row], source: Cache, origins: Sequence[int]) -> None:
        """Take over rows that stand at `origins` of another cache; there must be as many free places."""
        places = self.free()[: len(rows)]
        for place, row in zip(places, rows, strict=True):
            self.rows[place] = row
        rest = self._computer.tile - len(rows)
        # Always a whole tile of indices, so that there is one program for each pair of capacities.
        from_, to = [*origins, *[0] * rest], [*places, *[self._computer.tile] * rest]
        self.cache = with_rows(self.cache, source, np.asarray(from_, np.int32), np.asarray(to, np.int32))

    def advance(self) -> list[tuple[Row, list[int]]]:
        """The next tokens of each row."""
        self.cache, tokens = self._computer.continue_(self.cache, self.rows)
        return [(row, new.tolist()) for row, new in zip(self.rows, tokens, strict=True) if row is not None]

    def drop_finished(self) -> None:
        self.rows = [None if row is None or row.over else row for row in self.rows]

    def outgrown(self) -> list[tuple[int, Row]]:
        """Rows, with their places, whose next tokens need more capacity."""
        return [(place, row) for place, row in enumerate(self.rows) if row and row.capacity > self.capacity]
