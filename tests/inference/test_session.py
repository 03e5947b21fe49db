"""Requests to a model server, whatever proxies and passwords the user has."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from lemur.inference.server_model import Server, session


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *words: object) -> None:
        pass

    def do_GET(self) -> None:
        self.server.requests.append((self.path, self.headers.get("Authorization")))  # type: ignore[attr-defined]
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")


def serve() -> HTTPServer:
    server = HTTPServer(("127.0.0.1", 0), Handler)
    server.requests = []  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


@pytest.fixture
def local() -> Iterator[HTTPServer]:
    server = serve()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def proxy(local: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[HTTPServer]:
    """The user's proxy, without exceptions."""
    server = serve()
    for name in ("no_proxy", "NO_PROXY", "http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{server.server_port}")
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def netrc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "netrc"
    path.write_text("default login user password secret\n", encoding="utf-8")
    monkeypatch.setenv("NETRC", str(path))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1.2.3"])
def test_a_proxy_does_not_catch_requests_to_this_machine(host: str, local: HTTPServer, proxy: HTTPServer) -> None:
    if host == "127.1.2.3":
        assert not session(f"http://{host}:1").trust_env and not session("http://[::1]:8000/v1").trust_env
        return
    assert Server(f"http://{host}:{local.server_port}", concurrency=1).ask("GET", "/models") == {}
    assert [path for path, _ in local.requests] == ["/models"] and proxy.requests == []  # type: ignore[attr-defined]


def test_other_servers_are_asked_through_the_proxy(proxy: HTTPServer) -> None:
    assert Server("http://model.example", concurrency=1, key="k").ask("GET", "/models") == {}
    assert proxy.requests == [("http://model.example/models", "Bearer k")]  # type: ignore[attr-defined]


@pytest.mark.parametrize(("key", "sent"), [("token", "Bearer token"), ("", None)])
def test_netrc_does_not_replace_the_key(key: str, sent: str | None, local: HTTPServer, netrc: None) -> None:
    Server(f"http://127.0.0.1:{local.server_port}", concurrency=1, key=key).ask("GET", "/models")
    assert [header for _, header in local.requests] == [sent]  # type: ignore[attr-defined]


@pytest.mark.parametrize(("key", "sent"), [("token", "Bearer token"), ("", None)])
def test_netrc_does_not_replace_the_key_of_another_server(
    key: str, sent: str | None, proxy: HTTPServer, netrc: None
) -> None:
    Server("http://model.example", concurrency=1, key=key).ask("GET", "/models")
    assert [header for _, header in proxy.requests] == [sent]  # type: ignore[attr-defined]
