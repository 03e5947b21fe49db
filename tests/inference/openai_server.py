"""A small server with OpenAI's completions API over a model of this project, and with the faults of real servers."""

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from lemur.inference.interface import Generation

Fault = Callable[[int], tuple[int, dict[str, str]] | str | None]
"""What happens to the n-th request: a status with headers, `drop`, `slow`, `half`, or nothing."""


class Handler(BaseHTTPRequestHandler):
    server: "OpenAiServer"

    def log_message(self, *words: object) -> None:
        pass

    def do_GET(self) -> None:
        self._send(200, {"data": [{"id": name} for name in self.server.names]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.busy():
            fault = self.server.register(self.headers, body)
            if fault == "drop":
                self.close_connection = True
                return
            if fault == "slow":
                time.sleep(4.0)
            elif isinstance(fault, tuple):
                self._send(fault[0], {"error": {"message": "injected fault"}}, fault[1])
                return
            answer = self.server.answer(body)
            self._send(200, answer, half=fault == "half")

    def _send(self, status: int, body: Any, headers: dict[str, str] | None = None, half: bool = False) -> None:
        content = json.dumps(body).encode()
        if half:
            content = content[: len(content) // 2]
        try:
            self.send_response(status)
            for name, value in {"Content-Length": str(len(content)), **(headers or {})}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)
        except (BrokenPipeError, ConnectionResetError):
            pass  # the client gave up waiting


class OpenAiServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(
        self, generate: Callable[[dict[str, Any]], Generation], score: Callable[[list[int]], list[list[float]]]
    ) -> None:
        """`score`: for each position but the first, the log-probabilities of its token and of the likeliest one."""
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}/v1"
        self.names: Sequence[str] = ["served"]
        self.fault: Fault = lambda number: None
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[Any] = []
        self.most_at_once = 0
        self._inside = 0
        self._lock = threading.Lock()
        self._model_lock = threading.Lock()
        self._generate, self._score = generate, score

    @contextmanager
    def busy(self) -> Iterator[None]:
        with self._lock:
            self._inside += 1
            self.most_at_once = max(self.most_at_once, self._inside)
        try:
            yield
        finally:
            with self._lock:
                self._inside -= 1

    def register(self, headers: Any, body: dict[str, Any]) -> tuple[int, dict[str, str]] | str | None:
        """Record a request and return its fault."""
        with self._lock:
            self.bodies.append(body)
            self.headers.append(headers)
            return self.fault(len(self.bodies))

    def answer(self, body: dict[str, Any]) -> dict[str, Any]:
        with self._model_lock:
            if body.get("echo"):
                scores = self._score(body["prompt"])
                logprobs = {
                    "token_logprobs": [None, *(own for own, _ in scores), -1.0],
                    "top_logprobs": [None, *({"own": own, "best": best} for own, best in scores), {"best": -1.0}],
                }
                return {"choices": [{"text": "", "finish_reason": "length", "logprobs": logprobs}]}
            generation = self._generate(body)
        choice = {"text": generation.text, "finish_reason": generation.finish}
        return {"choices": [choice], "usage": {"completion_tokens": generation.tokens}}


@contextmanager
def running(server: OpenAiServer) -> Iterator[OpenAiServer]:
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
