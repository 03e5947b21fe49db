"""The live search against a small Wikipedia on 127.0.0.1."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from lemur.agents.episodes.environment import EnvironmentFault
from lemur.agents.search.interface import NOTHING
from lemur.agents.search.live import Live

EXTRACTS = {"Rome": {"extract": "A city."}, "Roma": {"pageprops": {"disambiguation": ""}, "extract": "May mean:"}}
Answer = Callable[[dict[str, str]], tuple[int, bytes]]


class Wikipedia:
    """`hits`: the titles that a search finds. `answer` may take the place of the usual answer."""

    def __init__(self) -> None:
        self.hits = ["Rome"]
        self.asked: list[dict[str, str]] = []
        self.agents: list[str] = []
        self.answer: Answer = self.usual
        self.pause = 0.0

    def usual(self, query: dict[str, str]) -> tuple[int, bytes]:
        if "srsearch" in query:
            value: dict[str, Any] = {"search": [{"title": title} for title in self.hits]}
        else:
            targets = {"Eternal City": "Rome"}
            wanted = query["titles"].split("|")
            pages = [{"title": title, **EXTRACTS.get(title, {})} for title in {targets.get(t, t): 0 for t in wanted}]
            value = {"pages": pages, "redirects": [{"from": t, "to": targets[t]} for t in wanted if t in targets]}
        return 200, json.dumps({"query": value}).encode()


@pytest.fixture
def wikipedia() -> Iterator[tuple[Wikipedia, str]]:
    state = Wikipedia()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            query = {key: values[0] for key, values in parse_qs(urlsplit(self.path).query).items()}
            state.asked.append(query)
            state.agents.append(self.headers["User-Agent"])
            status, body = state.answer(query)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            try:
                for start in range(0, len(body), 1 if state.pause else len(body)):
                    time.sleep(state.pause)
                    self.wfile.write(body[start : start + (1 if state.pause else len(body))])
            except OSError:
                pass  # the client gave up

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield state, f"http://127.0.0.1:{server.server_port}/w/api.php"
    server.shutdown()
    server.server_close()


def test_the_two_first_pages(wikipedia: tuple[Wikipedia, str]) -> None:
    state, url = wikipedia
    state.hits = ["Eternal City", "Rome"]
    text = Live(url).search("  rome ")
    assert text == "Page: Eternal City\nSummary: A city.\n\nPage: Rome\nSummary: A city."
    assert (state.asked[0]["srsearch"], state.asked[0]["srlimit"]) == ("rome", "2")
    assert all("lemur" in agent for agent in state.agents)


def test_missing_pages_and_lists_of_meanings_are_passed_over(wikipedia: tuple[Wikipedia, str]) -> None:
    state, url = wikipedia
    state.hits = ["Roma", "Gone"]
    assert Live(url).search("Roma") == NOTHING
    state.hits = []
    assert Live(url).search("zorblax") == NOTHING


def test_an_empty_query_is_not_asked(wikipedia: tuple[Wikipedia, str]) -> None:
    state, url = wikipedia
    assert Live(url).search("  ") == NOTHING
    assert state.asked == []


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (503, b"{}"),
        (200, b"<html>"),
        (200, b"[1]"),
        (200, b'{"error": {"code": "maxlag"}}'),
        (200, b'{"query": []}'),
        (200, b'{"query": {"search": [{"name": 1}]}}'),
        (200, b'{"query": {"search": 5}}'),
        (200, b" " * (2 << 20)),
    ],
)
def test_a_failure_is_the_environments(wikipedia: tuple[Wikipedia, str], status: int, body: bytes) -> None:
    state, url = wikipedia
    state.answer = lambda query: (status, body)
    with pytest.raises(EnvironmentFault, match=r"127\.0\.0\.1"):
        Live(url).search("Rome")


def test_no_server() -> None:
    with pytest.raises(EnvironmentFault, match="does not answer"):
        Live("http://127.0.0.1:9/w/api.php", seconds=2).search("Rome")


def test_a_server_that_sends_byte_after_byte_is_left_in_time(wikipedia: tuple[Wikipedia, str]) -> None:
    state, url = wikipedia
    state.pause = 0.1
    state.answer = lambda query: (200, b" " * 1000)
    start = time.monotonic()
    with pytest.raises(EnvironmentFault):
        Live(url, seconds=1).search("Rome")
    assert time.monotonic() - start < 5
