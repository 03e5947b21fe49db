"""The batches of a training: this process's part of each global batch, placed on the devices, and its token counts."""

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
from lemur.training.loss import join_documents, prepare
from lemur.training.monitoring.curve import Row, source_column
from lemur.training.params import TrainingParams


@dataclass(frozen=True)
class Batch:
    """`arrays`: from `loss.prepare`, on the devices. Over the whole batch of all processes: `targets` [sources], the
    number of targets of each source; `tokens`, without padding. `stop`: some process has to stop."""

    arrays: dict[str, Any]
    targets: np.ndarray
    tokens: int
    stop: bool


class Batches:
    """Batches in the loader's order; the global batches are the same on any mesh and with any number of processes."""

    def __init__(self, shards: Shards, params: TrainingParams, mesh: Mesh | None, *, multiple: int) -> None:
        """multiple: pad sequences to a multiple of this length."""
        self._params, self._mesh, self._multiple = params, mesh, multiple
        self._sources = len(shards.sources)
        self._block = devices.row_block(mesh, params.batch_size // params.microbatches)
        self._loader = Loader(shards, params.batch_size, params.seed, *self._block)

    def next(self, stop: bool) -> Batch:
        """`stop`: this process has to stop. All processes must call this together."""
        rows = next(self._loader)
        arrays = prepare(
            join_documents(rows) if self._params.attend_across_documents else rows,
            self._params.microbatches,
            self._params.loss_normalisation,
            total=lambda local: float(self._sum([local])[0][0]),
            multiple=self._multiple,
        )
        sources = arrays["sources"]
        targets = np.bincount(sources[sources >= 0], minlength=self._sources)
        sums, any_stop = self._sum([*targets.tolist(), int(np.count_nonzero(rows["segments"]))], stop)
        return Batch(devices.place(self._mesh, arrays, self._block), sums[:-1], int(sums[-1]), any_stop)

    def _sum(self, values: list[float], stop: bool = False) -> tuple[np.ndarray, bool]:
        """Sums of `values` over the blocks of a batch, and whether any process has to stop."""
        gathered = devices.gather_over_processes([*values, float(self._block[0]), float(stop)])
        # Processes that read the same block count once.
        _, one_per_block = np.unique(gathered[:, -2], return_index=True)
        return gathered[one_per_block, :-2].sum(axis=0), bool(gathered[:, -1].any())

    def state(self) -> Record:
        return self._loader.state()

    def restore(self, state: Record, *, allow_other_data: bool) -> None:
        self._loader.restore(state, allow_other_data=allow_other_data)


class SourceLosses:
    """Mean loss on each source since the last call of `means`."""

    def __init__(self, sources: Sequence[str]) -> None:
        self._sources = sources
        self._nats, self._targets = np.zeros(len(sources)), np.zeros(len(sources))

    def add(self, nats: np.ndarray, targets: np.ndarray) -> None:
        self._nats += nats
        self._targets += targets

    def means(self) -> Row:
        """Nats per target of each source that had targets; the sums start again at zero."""
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
