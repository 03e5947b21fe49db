"""Map a function over batches with worker processes: ordered results, few batches in memory at a time."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from functools import partial
from itertools import chain, islice
from multiprocessing import get_context
from typing import Any, TypeVar

from lemur.core import workers

Batch = TypeVar("Batch")
Result = TypeVar("Result")


def map_in_order(
    function: Callable[..., Result],
    batches: Iterable[Batch],
    *,
    start: Callable[..., Any] | None = None,
    arguments: tuple[Any, ...] = (),
) -> Iterator[Result]:
    """Yield `function(batch)` for each batch, in order, computed by `workers.count()` processes.

    With `start`, yield `function(state, batch)`, where each process computes `state = start(*arguments)` once.
    `function` and `start` must be module-level functions. At most two batches per worker are read ahead, so memory does
    not grow with the number of batches. A single batch or a single worker runs in this process. Raises what `function`
    raises, and `BrokenProcessPool` if a worker is killed.
    """
    count = workers.count()
    remaining = iter(batches)
    first = list(islice(remaining, 2))
    if count == 1 or len(first) < 2:
        bound = function if start is None else partial(function, start(*arguments))
        yield from map(bound, chain(first, remaining))
        return
    # Spawn, because a fork can hang in a process with threads, and the runner has one.
    pool = ProcessPoolExecutor(count, get_context("spawn"), initializer=_start, initargs=(start, arguments))
    try:
        pending: deque[Future[Result]] = deque()
        for batch in chain(first, remaining):
            pending.append(pool.submit(_call, function, batch))
            if len(pending) == 2 * count:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


# The result of `start` in a worker process; empty without one. A worker has no other state.
_state: list[Any] = []


def _start(start: Callable[..., Any] | None, arguments: tuple[Any, ...]) -> None:
    workers.end_with_parent()
    if start is not None:
        _state.append(start(*arguments))


def _call(function: Callable[..., Result], batch: Any) -> Result:
    return function(*_state, batch)
