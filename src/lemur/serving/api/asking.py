"""Questions to the engine from an event loop, answered until the client leaves."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import suppress
from typing import TypeVar

from starlette.requests import Request as HttpRequest

from lemur.serving.engine import Engine
from lemur.serving.row import Request, Row
from lemur.serving.scoring import Scores

Result = TypeVar("Result")


class ClientLeftError(Exception):
    """Nobody reads the answer any more."""


async def answers(engine: Engine, requests: Sequence[Request]) -> AsyncIterator[list[Row]]:
    """The rows after each change, until all have their result. Ends them if the reader stops early. Raises the error of
    a row that failed."""
    loop, changed = asyncio.get_running_loop(), asyncio.Event()

    def tell() -> None:
        with suppress(RuntimeError):  # the loop is closed, and so is the server
            loop.call_soon_threadsafe(changed.set)

    rows = engine.submit(requests, tell)
    try:
        over = False
        while not over:
            await changed.wait()
            changed.clear()
            if failed := next((row.error for row in rows if row.error), None):
                raise failed
            over = all(row.result for row in rows)
            yield rows
    finally:
        engine.cancel([row for row in rows if not row.done])


async def finished(engine: Engine, requests: Sequence[Request]) -> list[Row]:
    return [rows async for rows in answers(engine, requests)][-1]


async def scores(engine: Engine, tokens: Sequence[int], top: int) -> Scores:
    return await asyncio.wrap_future(engine.score(tokens, top).result)


async def unless_left(http: HttpRequest, work: Awaitable[Result]) -> Result:
    """The result of `work`, which ends early if the client closes its connection. Raises `ClientLeftError` then."""

    async def left() -> None:
        while (await http.receive())["type"] != "http.disconnect":
            pass

    task, gone = asyncio.ensure_future(work), asyncio.ensure_future(left())
    try:
        await asyncio.wait([task, gone], return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientLeftError
        return task.result()
    finally:
        gone.cancel()
        task.cancel()
        await asyncio.gather(task, gone, return_exceptions=True)
