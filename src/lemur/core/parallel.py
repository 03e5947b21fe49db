"""A function of many batches, by worker processes: results in the batches' order, few batches in memory at a time."""

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


def in_order(
    function: Callable[..., Result],
    batches: Iterable[Batch],
    *,
    start: Callable[..., Any] | None = None,
    arguments: tuple[Any, ...] = (),
) -> Iterator[Result]:
    """`function(batch)` of each batch by `workers.count()` processes, in order.

    With `start` it is `function(state, batch)`: `state` is what `start(*arguments)` returns, once in each process.
    `function` and `start` are functions of a module. At most two batches a worker are read ahead, so memory does not
    grow with their number. A single batch, or a single worker, needs no process. Raises what `function` raises, and
    `BrokenProcessPool` if a worker is killed.
    """
    count = workers.count()
    remaining = iter(batches)
    first = list(islice(remaining, 2))
    if count == 1 or len(first) < 2:
        bound = function if start is None else partial(function, start(*arguments))
        yield from map(bound, chain(first, remaining))
        return
    # Spawned: a fork can hang in a process that has threads, and the runner's has one.
    pool = ProcessPoolExecutor(count, get_context("spawn"), initializer=_start, initargs=(start, arguments))
    try:
        waiting: deque[Future[Result]] = deque()
        for batch in chain(first, remaining):
            waiting.append(pool.submit(_call, function, batch))
            if len(waiting) == 2 * count:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


# What a worker's `start` returned, empty without one: the only state of a worker, here and nowhere else.
_state: list[Any] = []


def _start(start: Callable[..., Any] | None, arguments: tuple[Any, ...]) -> None:
    workers.end_with_parent()
    if start is not None:
        _state.append(start(*arguments))


def _call(function: Callable[..., Result], batch: Any) -> Result:
    return function(*_state, batch)
