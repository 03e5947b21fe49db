"""Back end `server`: any server with OpenAI's completions API. Where it is and how much it takes is in the environment:
LEMUR_SERVER (http://127.0.0.1:8000/v1), LEMUR_SERVER_MODEL, LEMUR_SERVER_KEY, LEMUR_SERVER_CONCURRENCY (8)."""

import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
import requests

from lemur.core.records import Record
from lemur.inference.interface import Generation
from lemur.inference.text import TextCodec, first_stop
from lemur.inference.token_model import Part, TokenModel, Window, identity, key

log = logging.getLogger(__name__)

ATTEMPTS = 8
OVERLOADED = {429, 503}
PASSING = {408, 409, 425, 500, 502, 504} | OVERLOADED
STOPS = 4  # as many as OpenAI's API takes; what comes after another one is cut off here
One = TypeVar("One")
Answer = TypeVar("Answer")


class ServerError(RuntimeError):
    pass


class Gate:
    """Lets at most `most` requests in at once: half as many each time the server has too many, one more after each
    round that it took, none while it asks for a pause."""

    def __init__(self, most: int) -> None:
        self._most, self.limit = most, float(most)
        self._inside = 0
        self._closed_until = 0.0
        self._changed = threading.Condition()

    def __enter__(self) -> None:
        with self._changed:
            while self._inside >= int(self.limit) or time.monotonic() < self._closed_until:
                self._changed.wait(max(self._closed_until - time.monotonic(), 0.01))
            self._inside += 1

    def __exit__(self, *error: object) -> None:
        with self._changed:
            self._inside -= 1
            self._changed.notify_all()

    def overloaded(self, pause: float) -> None:
        with self._changed:
            self.limit = max(1.0, self.limit / 2)
            self._closed_until = max(self._closed_until, time.monotonic() + pause)

    def relieved(self) -> None:
        with self._changed:
            self.limit = min(float(self._most), self.limit + 1 / self.limit)


class Server:
    """Asks `url` in JSON, again where a failure may pass, and never more at once than it takes."""

    def __init__(
        self, url: str, *, concurrency: int, key: str = "", timeout: float = 600.0, pause: float = 0.5
    ) -> None:
        """`timeout`: seconds of a request; `pause`: seconds before the first repetition, twice as many each time."""
        self.url = url.rstrip("/")
        self.gate = Gate(concurrency)
        self._concurrency, self._timeout, self._pause = concurrency, timeout, pause
        self._session = requests.Session()
        self._session.mount("http", requests.adapters.HTTPAdapter(pool_maxsize=concurrency))
        if key:
            self._session.headers["Authorization"] = f"Bearer {key}"

    def ask(self, method: str, path: str, body: Record | None = None) -> Record:
        """Raises `ServerError` with what the server said, at once where asking again is no use."""
        problem = ""
        for attempt in range(ATTEMPTS):
            pause = min(self._pause * 2**attempt, 60.0)
            with self.gate:
                try:
                    answer = self._session.request(method, self.url + path, json=body, timeout=self._timeout)
                    if answer.ok:
                        self.gate.relieved()
                        return dict(answer.json())
                    problem = f"status {answer.status_code}: {answer.text[:300]}"
                    if answer.status_code not in PASSING:
                        raise ServerError(f"{method} {self.url}{path}: {problem}")
                    pause = max(pause, _seconds(answer.headers.get("Retry-After")))
                    if answer.status_code in OVERLOADED:
                        self.gate.overloaded(pause)
                        continue
                # A connection that broke, no answer in time, or half of one.
                except (requests.RequestException, ValueError, TypeError) as error:
                    problem = f"{type(error).__name__}: {error}"[:300]
            if attempt + 1 < ATTEMPTS:
                log.warning(
                    "%s%s: asking again in %.1f s (%d of %d): %s", self.url, path, pause, attempt + 2, ATTEMPTS, problem
                )
                time.sleep(pause)
        raise ServerError(f"{method} {self.url}{path}: {ATTEMPTS} attempts failed, the last with {problem}")

    def each(self, ask: Callable[[One], Answer], ones: Iterable[One]) -> list[Answer]:
        """`ask` of each, in order; the first error ends what has not begun."""
        pool = ThreadPoolExecutor(self._concurrency)
        try:
            return list(pool.map(ask, ones))
        finally:
            pool.shutdown(cancel_futures=True)


class ServerModel(TokenModel):
    """Prompts go as tokens of the model folder, so that template, beginning and limits are those of any back end."""

    backend = "server"

    def __init__(self, codec: TextCodec, server: Server, context_length: int, name: str = "") -> None:
        """`name`: what the server calls the model; empty for the folder's name, or its only model's."""
        super().__init__(codec, context_length)
        self.window = context_length - 1  # the API generates one token even where only scores are wanted
        self._server, self._name = server, name

    @classmethod
    def from_environment(cls, codec: TextCodec, context_length: int) -> "ServerModel":
        url = os.environ.get("LEMUR_SERVER")
        if not url:
            raise ServerError("LEMUR_SERVER is not set; give it the server's address, such as http://127.0.0.1:8000/v1")
        concurrency = os.environ.get("LEMUR_SERVER_CONCURRENCY", "8")
        if not concurrency.isdigit() or int(concurrency) < 1:
            raise ServerError(f"LEMUR_SERVER_CONCURRENCY is {concurrency!r}; a whole number of at least 1 is allowed")
        server = Server(url, concurrency=int(concurrency), key=os.environ.get("LEMUR_SERVER_KEY", ""))
        return cls(codec, server, context_length, os.environ.get("LEMUR_SERVER_MODEL", ""))

    @cached_property
    def served(self) -> str:
        """The model's name at the server."""
        names = [str(one.get("id")) for one in self._server.ask("GET", "/models").get("data", [])]
        wanted = self._name or (names[0] if len(names) == 1 else self._codec.folder.name)
        if wanted not in names:
            raise ServerError(f"{self._server.url} serves {names}, not {wanted!r}; name one in LEMUR_SERVER_MODEL")
        return wanted

    def identity(self) -> Record:
        """`model_hash` is null: no API tells which weights a server has."""
        found = identity(self.backend, self._codec, ("tokenizers",), weights=False)
        return found | {"served_model": self.served}

    def generate(
        self,
        prompts: Sequence[str],
        *,
        max_new_tokens: int,
        stop: Sequence[str],
        temperature: float = 0.0,
        seed: int = 0,
    ) -> list[Generation]:
        asked = [(prompt, *self.prompt(prompt, max_new_tokens)) for prompt in prompts]
        model = self.served  # before the threads: it may start the server

        def one(asked: tuple[str, list[int], int]) -> Generation:
            prompt, tokens, room = asked
            body = {"model": model, "prompt": tokens, "max_tokens": room, "temperature": temperature}
            if stop:
                body["stop"] = list(stop[:STOPS])
            if temperature:
                body["seed"] = int.from_bytes(key(prompt, seed)[:4], "little") >> 1
            answer, choice = self._complete(body)
            text = str(choice["text"])
            cut = first_stop(text, stop)
            usage = answer.get("usage") or {}
            count = int(usage.get("completion_tokens") or len(self._codec.encode(text)))
            stopped = cut is not None or choice.get("finish_reason") == "stop"
            return Generation(text if cut is None else text[:cut], count, "stop" if stopped else "length")

        return self._server.each(one, asked)

    def each_token(self, windows: Sequence[Window]) -> list[Part]:
        asked = {"model": self.served, "max_tokens": 1, "temperature": 0.0, "logprobs": 1, "echo": True}

        def one(window: Window) -> Part:
            _, choice = self._complete({**asked, "prompt": window.tokens})
            scores = choice.get("logprobs") or {}
            logprobs = scores.get("token_logprobs") or []
            tops = scores.get("top_logprobs") or []
            new = slice(len(window.tokens) - window.scored, len(window.tokens))
            if min(len(logprobs), len(tops)) < len(window.tokens) or None in logprobs[new]:
                raise ServerError(
                    f"{self._server.url}/completions gave {len(logprobs)} log-probabilities for a prompt of "
                    f"{len(window.tokens)} tokens; scoring needs a server with `echo` and `logprobs`"
                )
            greedy = [value >= max(top.values()) for value, top in zip(logprobs[new], tops[new], strict=True)]
            return np.asarray(logprobs[new], np.float64), np.asarray(greedy, bool)

        return self._server.each(one, windows)

    def _complete(self, body: Record) -> tuple[Record, dict[str, Any]]:
        answer = self._server.ask("POST", "/completions", body)
        try:
            return answer, dict(answer["choices"][0])
        except (KeyError, IndexError, TypeError, ValueError):
            found = sorted(answer)
            raise ServerError(f"{self._server.url}/completions answered without choices, but with {found}") from None


def _seconds(retry_after: str | None) -> float:
    """Of a Retry-After header in seconds; 0 for none or a date."""
    try:
        return float(retry_after or 0)
    except ValueError:
        return 0.0
