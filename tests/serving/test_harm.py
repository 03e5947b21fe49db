"""Requests that are malformed, huge, slow or given up get an error and harm nobody."""

import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
from starlette.types import Message, Receive, Scope, Send

from lemur.inference.jax_model import JaxModel
from lemur.serving.api.limits import Limits
from lemur.serving.api.listening import is_loopback
from lemur.serving.engine import Engine
from tests.serving.conftest import TILE, Served
from tests.serving.test_engine import wait_for

BODY = {"prompt": "x", "max_tokens": 10, "temperature": 0}


@pytest.fixture(scope="module")
def small(folder: Path) -> Iterator[Engine]:
    engine = Engine.load(folder, tile=TILE, rows=2, waiting=2)
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def served(small: Engine) -> Iterator[Served]:
    served = Served(small, seconds=1.0, most_bytes=10_000)
    yield served
    served.stop()


@pytest.fixture(autouse=True)
def nobody_is_harmed(small: Engine, served: Served, model: JaxModel) -> Iterator[None]:
    yield
    wait_for(lambda: small.state() == {"running": 0, "waiting": 0})
    answer = requests.post(f"{served.url}/completions", json=BODY, timeout=60)
    assert answer.json()["choices"][0]["text"] == model.generate(["x"], max_new_tokens=10, stop=[])[0].text
    assert requests.get(served.url.removesuffix("/v1") + "/health", timeout=60).json()["status"] == "ok"


def connect(served: Served) -> socket.socket:
    return socket.create_connection(("127.0.0.1", served.port), timeout=60)


def raw(served: Served, *parts: bytes) -> bytes:
    """All that the server answers to these bytes until it closes the connection."""
    with connect(served) as connection:
        for part in parts:
            connection.sendall(part)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def head(length: int | str, path: str = "/v1/completions") -> bytes:
    lines = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    )
    return lines.encode()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{", "the body is not JSON"),
        (b"[]", "the body: "),
        (b"\xff\xfe", ""),
        (b'{"prompt": {"a": 1}}', "prompt"),
        (b'{"prompt": "x", "temperature": NaN}', "temperature"),
        (b"[" * 5000, ""),
    ],
)
def test_malformed_bodies(served: Served, body: bytes, message: str) -> None:
    answer = requests.post(
        f"{served.url}/completions", data=body, headers={"Content-Type": "application/json"}, timeout=60
    )
    error = answer.json()["error"]
    assert answer.status_code == 400 and message in error["message"] and error["type"] == "invalid_request_error"


def test_other_paths_and_methods_have_the_same_shape_of_error(served: Served) -> None:
    for method, path, status in (("GET", "/nothing", 404), ("GET", "/completions", 405), ("PUT", "/models", 405)):
        answer = requests.request(method, served.url + path, timeout=60)
        assert answer.status_code == status and answer.json()["error"]["message"]


def test_a_huge_body_is_refused_before_it_is_read(served: Served) -> None:
    answer = raw(served, head(10**12))
    assert b" 413 " in answer and b"the body has more than 10000 bytes" in answer
    chunked = head(0).replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
    answer = raw(served, chunked, b"4000\r\n" + b"x" * 0x4000 + b"\r\n")
    assert b" 413 " in answer


def test_a_slow_body_times_out(served: Served) -> None:
    answer = raw(served, head(100), b'{"prompt"')
    assert b" 408 " in answer and b"to arrive" in answer


@pytest.mark.parametrize("begun", [b"", b"POST /v1/comp", b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\nGET /he"])
def test_a_head_that_does_not_come_ends_the_connection(served: Served, begun: bytes) -> None:
    answer = raw(served, begun)
    assert answer.endswith(b"}") if b"health" in begun else answer == b""


@contextmanager
def held(engine: Engine) -> Iterator[None]:
    """Rows that arrive meanwhile wait until the block ends."""
    go_on = threading.Event()
    whole_round = engine._round

    def round_() -> None:
        go_on.wait()
        whole_round()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "_round", round_)
        try:
            yield
        finally:
            go_on.set()


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_leaves_frees_its_place(
    served: Served, small: Engine, stream: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    starts: list[object] = []
    start = small._computer.start
    monkeypatch.setattr(small._computer, "start", lambda rows: starts.append(rows) or start(rows))
    body = json.dumps({**BODY, "max_tokens": 10**6, "stream": stream, "n": 4}).encode()
    with held(small):
        with connect(served) as connection:
            connection.sendall(head(len(body)) + body)
            wait_for(lambda: small.state()["waiting"] == 4)
        wait_for(lambda: all(row.cancelled for row in small._waiting))
    wait_for(lambda: small.state() == {"running": 0, "waiting": 0})
    assert not starts


def test_a_full_queue_is_told_at_once(served: Served, small: Engine) -> None:
    answers: list[Any] = []
    first = threading.Thread(
        target=lambda: answers.append(requests.post(f"{served.url}/completions", json={**BODY, "n": 4}, timeout=60))
    )
    with held(small):
        first.start()
        wait_for(lambda: small.state()["waiting"] == 4)
        for stream in (False, True):
            answer = requests.post(f"{served.url}/completions", json={**BODY, "stream": stream}, timeout=60)
            assert answer.status_code == 429 and answer.headers["Retry-After"] == "1"
            assert answer.json()["error"]["code"] == "rate_limit_exceeded"
    first.join()
    assert answers[0].status_code == 200 and len(answers[0].json()["choices"]) == 4


def test_a_failing_model_is_an_error_of_the_server(
    served: Served, small: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise MemoryError("secret/path")

    with monkeypatch.context() as patch:
        patch.setattr(small._computer, "start", fail)
        for stream in (False, True):
            answer = requests.post(f"{served.url}/completions", json={**BODY, "stream": stream}, timeout=60)
            assert answer.status_code == 500 and answer.json()["error"]["type"] == "server_error"
            assert "secret" not in answer.text


def test_another_sites_name_for_this_machine_is_refused(served: Served) -> None:
    url = served.url.removesuffix("/v1")
    assert requests.get(url, headers={"Host": "evil.example"}, timeout=60).status_code == 400
    simple = requests.post(f"{served.url}/completions", data=json.dumps(BODY), headers={"Content-Type": "text/plain"})
    assert simple.status_code == 400  # what a page of another site may send without asking


def test_the_page_loads_nothing_from_elsewhere(served: Served) -> None:
    answer = requests.get(served.url.removesuffix("/v1") + "/", timeout=60)
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert "http" not in answer.text and "innerHTML" not in answer.text


def test_only_loopback_addresses_count_as_this_machine() -> None:
    assert all(map(is_loopback, ("127.0.0.1", "localhost", "::1", "127.1.2.3")))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "192.168.1.5", "example.org")))


def test_a_client_that_does_not_read_is_given_up(caplog: pytest.LogCaptureFixture) -> None:
    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise AssertionError("sent to a client that does not read")

    async def receive() -> Message:
        return {"type": "http.request", "body": b""}

    async def never(_: Message) -> None:
        await asyncio.Event().wait()

    asyncio.run(Limits(answer, seconds=0.05)({"type": "http", "headers": []}, receive, never))
    assert "did not read its answer" in caplog.text
