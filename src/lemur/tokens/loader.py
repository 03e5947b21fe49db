"""Batches of token shards in a global, seeded order: seekable, resumable, the same for any number of processes.

Grain shuffles by a keyed permutation of the index (O(1) memory, a new one each epoch), so the batch of any step is
computed without replaying the steps before it. Row r of global step s is the same record whatever `process_count` is.
"""

from collections.abc import Iterator
from typing import Any

import grain
import numpy as np

from lemur.tokens.shards import Arrays, Shards

State = dict[str, Any]


class Loader:
    """Endless batches: field -> array of shape [batch_size / process_count, L], this process's rows of each step.

    Args:
        shards: from `open_shards`; at least one record.
        batch_size: global, in sequences; a multiple of `process_count`.
        seed: seed of the order. Each epoch has its own order; a batch may end one epoch and begin the next.
        process_index, process_count: as `jax.process_index()` and `jax.process_count()`.
        threads: threads that read ahead; 0 = read on demand. Never changes a batch.
        prefetch: number of batches to read ahead.
    """

    def __init__(
        self,
        shards: Shards,
        batch_size: int,
        seed: int,
        process_index: int = 0,
        process_count: int = 1,
        *,
        threads: int = 1,
        prefetch: int = 4,
    ) -> None:
        if not len(shards):
            raise ValueError(f"{shards.folder}: no records, so there is nothing to train on; is its mixture empty?")
        if batch_size < 1 or batch_size % process_count:
            raise ValueError(f"batch_size is {batch_size}; a positive multiple of {process_count} processes is allowed")
        if not 0 <= process_index < process_count:
            raise ValueError(f"process_index is {process_index}; 0 to {process_count - 1} is allowed")
        self.shards = shards
        self.batch_size = batch_size
        self.seed = seed
        rows = batch_size // process_count
        order = grain.MapDataset.source(shards).shuffle(seed=seed).repeat()
        # Blocks of consecutive rows in turn: process p takes rows p * rows to (p + 1) * rows of every step.
        self._steps = order.batch(rows, drop_remainder=True)[process_index::process_count]
        self._options = grain.ReadOptions(num_threads=threads, prefetch_buffer_size=prefetch if threads else 0)
        self._step = 0
        self._iterator: grain.DatasetIterator[Arrays] | None = None

    @property
    def step(self) -> int:
        """The step whose batch `next()` returns."""
        return self._step

    def __getitem__(self, step: int) -> Arrays:
        """The batch of `step`; the iteration stays where it is."""
        if step < 0:
            raise IndexError(f"step {step}; 0 or more is allowed")
        return self._steps[step]

    def __iter__(self) -> Iterator[Arrays]:
        return self

    def __next__(self) -> Arrays:
        if self._iterator is None:
            self._iterator = iter(self._steps.to_iter_dataset(self._options))
            self._iterator.set_state({"next_index": self._step})
        batch = next(self._iterator)
        self._step += 1
        return batch

    def seek(self, step: int) -> None:
        """Continue with the batch of `step`."""
        if step < 0:
            raise ValueError(f"step is {step}; 0 or more is allowed")
        self._step = step
        self._iterator = None

    def state(self) -> State:
        """What a checkpoint keeps (JSON): the next step and what decides the order."""
        return {
            "step": self._step,
            "seed": self.seed,
            "batch_size": self.batch_size,
            "fingerprint": self.shards.fingerprint,
        }

    def restore(self, state: State, *, allow_other_data: bool = False) -> None:
        """Continue where `state` was taken.

        Raises `ValueError` if data, seed or batch size differ, since step N would then read other records. With
        `allow_other_data`, takes only the step from `state`.
        """
        current = self.state()
        differing = [key for key in ("fingerprint", "seed", "batch_size") if state[key] != current[key]]
        if differing and not allow_other_data:
            details = ", ".join(f"{key} was {state[key]} and is {current[key]}" for key in differing)
            raise ValueError(
                f"{self.shards.folder}: the run to resume had other data: {details}; resume with the "
                "same data, or allow other data (LEMUR_RESUME=other-data) and accept a different order"
            )
        self.seek(int(state["step"]))


def inspect(shards: Shards, *, seed: int, batch_size: int, step: int) -> list[dict[str, Any]]:
    """The global batch of `step`: for each row its record number and its documents (source, first position, tokens).

    The record number is the row's index in the shards; `tokens` are ids.
    """
    order = grain.MapDataset.source(_RecordNumbers(len(shards))).shuffle(seed=seed).repeat()
    rows = []
    for number in (int(order[step * batch_size + row]) for row in range(batch_size)):
        record = shards[number]
        segments = record["segments"]
        documents = []
        for segment in range(1, int(segments.max()) + 1):
            at = np.flatnonzero(segments == segment)
            documents.append(
                {
                    "source": shards.sources[record["sources"][at[0]]] if "sources" in record else None,
                    "first": int(at[0]),
                    "tokens": record["tokens"][at].tolist(),
                }
            )
        rows.append({"record": number, "documents": documents, "padding": int(np.count_nonzero(segments == 0))})
    return rows


class _RecordNumbers:
    """A source of the numbers 0, 1, ..., which shows what the order does to record numbers."""

    def __init__(self, length: int) -> None:
        self._length = length

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: int) -> int:
        return index
