"""Map functions over batches with worker processes: ordered results, few batches in memory at a time."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from functools import partial
from itertools import chain, count, islice
from multiprocessing import get_context
from types import TracebackType
from typing import Any, TypeVar

from lemur.core import workers

Batch = TypeVar("Batch")
Result = TypeVar("Result")


class Pool:
    """`workers.count()` processes that serve any number of maps, so that a stage starts them once.

    They start with the first map of two or more batches, and end with the context. `most`: at most so many processes;
    with 1, everything runs in this process.
    """

    def __init__(self, most: int | None = None) -> None:
        self._most = most
        self._executor: ProcessPoolExecutor | None = None
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
        batch or a single worker runs in this process. Raises what `function` raises, and `BrokenProcessPool` if a
        worker is killed.
        """
        processes = min(workers.count(), self._most or workers.count())
        remaining = iter(batches)
        first = list(islice(remaining, 2))
        if processes == 1 or len(first) < 2:
            bound = function if start is None or not first else partial(function, start(*arguments))
            yield from map(bound, chain(first, remaining))
            return
        if self._executor is None:
            # Spawn, because a fork can hang in a process with threads, and the runner has one.
            self._executor = ProcessPoolExecutor(processes, get_context("spawn"), initializer=workers.end_with_parent)
        call = partial(_call, next(self._maps), start, arguments, function)
        pending: deque[Future[Result]] = deque()
        try:
            for batch in chain(first, remaining):
                pending.append(self._executor.submit(call, batch))
                if len(pending) == 2 * processes:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()


def map_in_order(
    function: Callable[..., Result],
    batches: Iterable[Batch],
    *,
    start: Callable[..., Any] | None = None,
    arguments: tuple[Any, ...] = (),
) -> Iterator[Result]:
    """`Pool.map` with processes of its own."""
    with Pool() as pool:
        yield from pool.map(function, batches, start=start, arguments=arguments)


# In a worker process: the number of the map that it works for, and that map's state. A worker has no other state.
_state: dict[int, Any] = {}


def _call(
    number: int,
    start: Callable[..., Any] | None,
    arguments: tuple[Any, ...],
    function: Callable[..., Result],
    batch: Any,
) -> Result:
    if start is None:
        return function(batch)
    if number not in _state:
        _state.clear()
        _state[number] = start(*arguments)
    return function(_state[number], batch)
