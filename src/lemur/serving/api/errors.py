"""Errors in the shape of OpenAI's API."""

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from lemur.serving.engine import BusyError, StoppedError


class ApiError(Exception):
    def __init__(self, status: int, message: str, *, code: str | None = None, param: str | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.param = status, code, param


def content(status: int, message: str, code: str | None = None, param: str | None = None) -> dict[str, Any]:
    kind = "invalid_request_error" if status < 500 and status != 429 else "server_error"
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def response(error: Exception) -> JSONResponse:
    """What the client is told about `error`."""
    headers = {}
    if isinstance(error, ApiError):
        status, body = error.status, content(error.status, str(error), error.code, error.param)
    elif isinstance(error, BusyError):
        status, body = 429, content(429, str(error), "rate_limit_exceeded")
    elif isinstance(error, StoppedError):
        status, body = 503, content(503, str(error))
    elif isinstance(error, HTTPException):
        status, body = error.status_code, content(error.status_code, str(error.detail))
    else:
        status, body = 500, content(500, f"the model failed: {type(error).__name__}")
    if status in (429, 503):
        headers["Retry-After"] = "1"
    return JSONResponse(body, status, headers)


def add_handlers(app: FastAPI) -> None:
    async def known(_: Request, error: Exception) -> JSONResponse:
        return response(error)

    async def malformed(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        problems = [problem(each) for each in error.errors()]
        return JSONResponse(content(400, "; ".join(text for text, _ in problems), param=problems[0][1]), 400)

    for kind in (ApiError, BusyError, StoppedError, HTTPException, Exception):
        app.add_exception_handler(kind, known)
    app.add_exception_handler(RequestValidationError, malformed)


def problem(error: Any) -> tuple[str, str | None]:
    """What is wrong, and the key at fault. Not the value: it may be as large as the request."""
    path = ".".join(str(part) for part in error["loc"] if part != "body")
    if error["type"] == "json_invalid":
        return f"the body is not JSON: {error.get('ctx', {}).get('error', error['msg'])}", None
    if error["type"] == "extra_forbidden":
        return f"{path} is not supported", path
    return f"{path or 'the body'}: {error['msg']}", path or None
