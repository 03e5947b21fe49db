"""Map functions over batches with worker processes: ordered results, few batches in memory at a time.

LEMUR_ENGINE says where they run: `local` (the default) on this machine, `dask:SCHEDULER_FILE` on a Dask cluster.
"""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from itertools import chain, count, islice
from multiprocessing import get_context
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import uuid4

from lemur.core import workers

if TYPE_CHECKING:
    from lemur.core.dask_engine import Answer, Cluster

Batch = TypeVar("Batch")
Result = TypeVar("Result")


class Pool:
    """The processes that serve any number of maps, so that a stage starts them once: `workers.count()` on this machine,
    or the workers of a Dask cluster.

    They start with the first map of two or more batches, and end with the context; Dask's workers live on.
    """

    def __init__(self, *, here: bool = False) -> None:
        """`here`: everything runs in this process. Raises `SystemExit` if LEMUR_ENGINE is not what it may be."""
        self._scheduler_file = _scheduler_file()
        self._here = here
        self._executor: ProcessPoolExecutor | Cluster | None = None
        self._name = uuid4().hex
        self._maps = count()

    def __enter__(self) -> "Pool":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._executor is not None:
            self._executor.shutdown(cancel_futures=True)

    def map(
        self,
        function: Callable[..., Result],
        batches: Iterable[Batch],
        *,
        start: Callable[..., Any] | None = None,
        arguments: tuple[Any, ...] = (),
    ) -> Iterator[Result]:
        """Yield `function(batch)` for each batch, in order.

        With `start`, yield `function(state, batch)`, where each process computes `state = start(*arguments)` once for
        this map, and keeps it until another map needs its own. `function` and `start` must be module-level functions.
        At most two batches per worker are read ahead, so memory does not grow with the number of batches. A single
        batch or a single worker runs in this process. Raises what `function` raises; `BrokenProcessPool` if a worker
        is killed, with Dask `BrokenExecutor` if the same batch loses several; `SystemExit` for a cluster that cannot
        be used.
        """
        processes = workers.count()
        remaining = iter(batches)
        first = list(islice(remaining, 2))
        if self._here or len(first) < 2 or (processes == 1 and self._scheduler_file is None):
            bound = function if start is None or not first else partial(function, start(*arguments))
            yield from map(bound, chain(first, remaining))
            return
        executor = self._executor = self._executor or self._start(processes)
        call = partial(_call, (self._name, next(self._maps)), start, arguments, function)
        pending: deque[Future[Result] | Answer] = deque()
        try:
            for batch in chain(first, remaining):
                pending.append(executor.submit(call, batch))
                while len(pending) >= 2 * (processes if isinstance(executor, ProcessPoolExecutor) else executor.size()):
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        except BrokenProcessPool as error:
            raise BrokenProcessPool(
                f"one of this stage's {processes} worker processes was killed. Usually memory ran out: the kernel's "
                "log (dmesg), Slurm or the container says so. Free memory, or use fewer workers "
                f"(LEMUR_WORKERS={max(1, processes // 2)}), and run the stage again; no shard is half written."
            ) from error
        finally:
            for future in pending:
                future.cancel()

    def _start(self, processes: int) -> "ProcessPoolExecutor | Cluster":
        if self._scheduler_file is not None:
            from lemur.core.dask_engine import Cluster

            return Cluster(self._scheduler_file)
        # Spawn, because a fork can hang in a process with threads, and the runner has one.
        return ProcessPoolExecutor(processes, get_context("spawn"), initializer=workers.end_with_parent)


# In a worker process: the map that it works for (pool and number), and that map's state. A worker has no other state.
_state: dict[tuple[str, int], Any] = {}


def _call(
    map_key: tuple[str, int],
    start: Callable[..., Any] | None,
    arguments: tuple[Any, ...],
    function: Callable[..., Result],
    batch: Any,
) -> Result:
    if start is None:
        return function(batch)
    if map_key not in _state:
        _state.clear()
        _state[map_key] = start(*arguments)
    return function(_state[map_key], batch)


def _scheduler_file() -> Path | None:
    """Dask's scheduler file if LEMUR_ENGINE names one; None for processes on this machine."""
    engine = os.environ.get("LEMUR_ENGINE") or "local"
    kind, _, file = engine.partition(":")
    if kind == "dask" and file:
        return Path(file)
    if engine != "local":
        raise SystemExit(f"LEMUR_ENGINE is {engine!r}; it must be local or dask:SCHEDULER_FILE (docs/scale.md)")
    return None
