"""What a client may cost: the size of its request, and the time that it takes to send and to read."""

import asyncio
import logging
from typing import Any

from fastapi.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from lemur.serving.api.errors import content

log = logging.getLogger(__name__)

MOST_BYTES = 1 << 20
"""Of a request's body."""
SECONDS = 30.0
"""To send a request's head, to send its body, and to make room for more of an answer."""


class Limits:
    """ASGI middleware that reads the whole body first, and gives up on clients that do not read."""

    def __init__(self, app: ASGIApp, most_bytes: int = MOST_BYTES, seconds: float = SECONDS) -> None:
        self._app, self._most, self._seconds = app, most_bytes, seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            async with asyncio.timeout(self._seconds):
                body = await self._body(scope, receive)
        except TimeoutError:
            await self._refuse(408, f"the request took more than {self._seconds:g} s to arrive", scope, receive, send)
            return
        if body is None:
            await self._refuse(413, f"the body has more than {self._most} bytes", scope, receive, send)
            return
        unread: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive_rest() -> Message:
            return unread.pop() if unread else await receive()

        async def send_in_time(message: Message) -> None:
            async with asyncio.timeout(self._seconds):
                await send(message)

        try:
            await self._app(scope, receive_rest, send_in_time)
        except TimeoutError:
            log.warning("A client did not read its answer for %g s; its connection is closed", self._seconds)

    async def _body(self, scope: Scope, receive: Receive) -> bytes | None:
        """None if it is too large."""
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if int(declared) > self._most:  # h11 has checked that it is a number
            return None
        body = b""
        more = True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
            if len(body) > self._most:
                return None
        return body

    async def _refuse(self, status: int, text: str, scope: Scope, receive: Receive, send: Send) -> None:
        # The rest of the body is never read, so the connection cannot go on.
        await JSONResponse(content(status, text), status, {"Connection": "close"})(scope, receive, send)


class TimedProtocol(H11Protocol):
    """Closes connections that have not sent a request's head in time; uvicorn waits for it without end."""

    seconds = SECONDS
    _head: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._head:
            self._head.cancel()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._expect_head()

    def _expect_head(self) -> None:
        if self._head:
            self._head.cancel()
        self._head = self.loop.call_later(self.seconds, self._close_if_idle)

    def _close_if_idle(self) -> None:
        if (self.cycle is None or self.cycle.response_complete) and not self.transport.is_closing():
            self.transport.close()
