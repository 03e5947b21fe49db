"""The server: OpenAI's API and a chat page over an engine."""

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, TypeVar

from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, StreamingResponse
from starlette.middleware.trustedhost import TrustedHostMiddleware

from lemur.core.files import read_text
from lemur.serving.api import choices
from lemur.serving.api.asking import ClientLeftError, unless_left
from lemur.serving.api.bodies import Body, ChatBody, CompletionBody
from lemur.serving.api.errors import ApiError, add_handlers, response
from lemur.serving.api.limits import Limits
from lemur.serving.engine import Engine

PAGE = Path(__file__).with_name("page.html")
POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'"
Asked = TypeVar("Asked", bound=Body)


def create_app(engine: Engine, name: str, *, local: bool = True, **limits: Any) -> FastAPI:
    """`name`: the model's; `local`: whether only this machine may ask, and so under its own names only (a page of
    another site could otherwise give its name this machine's address); `limits` as in `Limits`."""
    app = FastAPI(title=name, docs_url=None, redoc_url=None, openapi_url=None)
    add_handlers(app)
    app.add_middleware(Limits, **limits)
    if local:
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"])
    created = int(time.time())
    card = {"id": name, "object": "model", "created": created, "owned_by": "lemur"}

    @app.get("/", response_class=HTMLResponse)
    def page() -> HTMLResponse:
        return HTMLResponse(read_text(PAGE), headers={"Content-Security-Policy": POLICY})

    @app.get("/health")
    def health() -> dict[str, Any]:
        return {"status": "ok", **engine.state()}

    @app.get("/v1/models")
    def models() -> dict[str, Any]:
        about = {"context_length": engine.context_length, "chat": engine.chat}
        return {"object": "list", "data": [{**card, **about}]}

    @app.get("/v1/models/{wanted:path}")
    def model(wanted: str) -> dict[str, Any]:
        check_name(wanted)
        return card

    @app.post("/v1/completions")
    async def completions(body: CompletionBody, http: Request) -> Response:
        return await answer(http, body, choices.completion, "text_completion", "text_completion", "cmpl")

    @app.post("/v1/chat/completions")
    async def chat_completions(body: ChatBody, http: Request) -> Response:
        return await answer(http, body, choices.chat, "chat.completion", "chat.completion.chunk", "chatcmpl")

    def check_name(wanted: str | None) -> None:
        if wanted not in (None, name):
            raise ApiError(404, f"this server has the model {name!r}, not {wanted!r}"[:300], code="model_not_found")

    async def answer(
        http: Request,
        body: Asked,
        read: Callable[[Engine, Asked], choices.Question],
        kind: str,
        part: str,
        prefix: str,
    ) -> Response:
        check_name(body.model)
        question = await asyncio.to_thread(read, engine, body)  # tokenizing a long prompt would hold up the others
        head = {"id": f"{prefix}-{uuid.uuid4().hex}", "created": int(time.time()), "model": name}
        try:
            if body.stream:
                lines = events(question, {**head, "object": part}, body.wants_usage)
                first = await unless_left(http, anext(lines))  # so a full queue still gets its status
                return StreamingResponse(chained(first, lines), media_type="text/event-stream")
            found, usage = await unless_left(http, choices.whole(engine, question))
        except ClientLeftError:
            return Response(status_code=499)
        return JSONResponse({**head, "object": kind, "choices": found, "usage": usage})

    async def events(question: choices.Question, head: dict[str, Any], wants_usage: bool) -> AsyncIterator[str]:
        usage: dict[str, int] = {}
        try:
            async for new, so_far in choices.parts(engine, question):
                usage = so_far
                for choice in new:
                    yield event({**head, "choices": [choice]})
        except Exception as error:
            if not usage:
                raise
            yield f"data: {bytes(response(error).body).decode()}\n\n"
            return
        if wants_usage:
            yield event({**head, "choices": [], "usage": usage})
        yield "data: [DONE]\n\n"

    return app


def event(content: dict[str, Any]) -> str:
    return f"data: {json.dumps(content, ensure_ascii=False)}\n\n"


async def chained(first: str, rest: AsyncIterator[str]) -> AsyncIterator[str]:
    yield first
    async for line in rest:
        yield line
