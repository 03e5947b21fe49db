"""What each step of a training reads: this process's part of the global batch, on the devices, and what it counts."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jax.sharding import Mesh

from lemur.core.records import Record
from lemur.tokens.loader import Loader
from lemur.tokens.shards import Shards
from lemur.training import devices
from lemur.training.loss import joined, prepare
from lemur.training.monitoring.curve import Row, source_column
from lemur.training.params import TrainingParams


@dataclass(frozen=True)
class Batch:
    """`arrays`: of `loss.prepare`, on the devices. Of the batch of all processes: `targets` [sources], the number of
    targets of each source; `tokens`, padding not counted. `leave`: a process was told to end."""

    arrays: dict[str, Any]
    targets: np.ndarray
    tokens: int
    leave: bool


class Batches:
    """Batches in the loader's order, the same global ones on any mesh and any number of processes."""

    def __init__(self, shards: Shards, params: TrainingParams, mesh: Mesh | None, *, multiple: int) -> None:
        """multiple: to which sequences are padded."""
        self._params, self._mesh, self._multiple = params, mesh, multiple
        self._sources = len(shards.sources)
        self._block = devices.row_block(mesh, params.batch_size // params.microbatches)
        self._loader = Loader(shards, params.batch_size, params.seed, *self._block)

    def next(self, leave: bool) -> Batch:
        """`leave`: this process was told to end. All processes must call this together."""
        read = next(self._loader)
        arrays = prepare(
            joined(read) if self._params.attend_across_documents else read,
            self._params.microbatches,
            self._params.loss_normalisation,
            total=lambda mine: float(self._sum([mine])[0][0]),
            multiple=self._multiple,
        )
        sources = arrays["sources"]
        targets = np.bincount(sources[sources >= 0], minlength=self._sources)
        sums, told = self._sum([*targets.tolist(), int(np.count_nonzero(read["segments"]))], leave)
        return Batch(devices.place(self._mesh, arrays, self._block), sums[:-1], int(sums[-1]), told)

    def _sum(self, mine: list[float], leave: bool = False) -> tuple[np.ndarray, bool]:
        """Sums over the blocks of a batch, and whether any process was told to end."""
        everyone = devices.over_processes([*mine, float(self._block[0]), float(leave)])
        # Processes that read the same block count once.
        _, once = np.unique(everyone[:, -2], return_index=True)
        return everyone[once, :-2].sum(axis=0), bool(everyone[:, -1].any())

    def state(self) -> Record:
        return self._loader.state()

    def restore(self, state: Record, *, allow_other_data: bool) -> None:
        self._loader.restore(state, allow_other_data=allow_other_data)


class BySource:
    """Loss on each source since it was last asked for."""

    def __init__(self, sources: Sequence[str]) -> None:
        self._sources = sources
        self._nats, self._targets = np.zeros(len(sources)), np.zeros(len(sources))

    def add(self, nats: np.ndarray, targets: np.ndarray) -> None:
        self._nats += nats
        self._targets += targets

    def means(self) -> Row:
        """Nats a target of each source that had targets; from now on of the steps to come."""
        pairs = zip(self._sources, self._nats.tolist(), self._targets.tolist(), strict=True)
        means: Row = {source_column(source): nats / targets for source, nats, targets in pairs if targets}
        self._nats, self._targets = np.zeros_like(self._nats), np.zeros_like(self._targets)
        return means

    def state(self) -> Record:
        return {"nats": self._nats.tolist(), "targets": self._targets.tolist()}

    def restore(self, state: Record) -> None:
        self._nats, self._targets = np.array(state["nats"]), np.array(state["targets"])


def finite(values: Sequence[float | int | None]) -> list[float]:
    return [value for value in values if value is not None and math.isfinite(value)]
