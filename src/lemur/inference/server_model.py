"""Back end `server`: any server with OpenAI's completions API. Environment variables give its address and limits:
LEMUR_SERVER (http://127.0.0.1:8000/v1), LEMUR_SERVER_MODEL, LEMUR_SERVER_KEY, LEMUR_SERVER_CONCURRENCY (8)."""

import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from ipaddress import ip_address
from typing import Any, TypeVar
from urllib.parse import urlsplit

import numpy as np
import requests
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential

from lemur.core.records import Record
from lemur.inference.interface import Generation, whole_characters
from lemur.inference.text import TextCodec, first_stop
from lemur.inference.token_model import Part, TokenModel, Window, identity, key

log = logging.getLogger(__name__)

ATTEMPTS = 8
LONGEST_PAUSE_S = 60.0
OVERLOADED = {429, 503}
TEMPORARY = {408, 409, 425, 500, 502, 504} | OVERLOADED
MAX_STOPS = 4  # OpenAI's API takes no more; the text is cut at any further ones here
Item = TypeVar("Item")
Answer = TypeVar("Answer")


class ServerError(RuntimeError):
    pass


class _TemporaryError(Exception):
    """A failed attempt that is worth repeating after `pause` seconds."""

    def __init__(self, problem: str, pause: float) -> None:
        super().__init__(problem)
        self.pause = pause


class Gate:
    """Admits at most `most` requests at once. The limit halves whenever the server is overloaded and grows by one for
    every full round of answers; nobody enters during a pause that the server asks for."""

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
    """Sends JSON requests to `url`, repeats them after temporary failures, and lowers its concurrency when the server
    is overloaded."""

    def __init__(
        self, url: str, *, concurrency: int, key: str = "", timeout: float = 600.0, pause: float = 0.5
    ) -> None:
        """`timeout`: seconds a request may take; `pause`: seconds before the first repetition, doubled each time."""
        self.url = url.rstrip("/")
        self.gate = Gate(concurrency)
        self._concurrency, self._timeout = concurrency, timeout
        self._backoff = wait_exponential(multiplier=pause, max=LONGEST_PAUSE_S)
        self._session = session(self.url, key)
        self._session.mount("http", requests.adapters.HTTPAdapter(pool_maxsize=concurrency))

    def ask(self, method: str, path: str, body: Record | None = None) -> Record:
        """Raises `ServerError` with the server's answer: at once if it is no temporary failure, else after `ATTEMPTS`
        attempts."""
        attempts = Retrying(
            retry=retry_if_exception_type(_TemporaryError),
            stop=stop_after_attempt(ATTEMPTS),
            wait=lambda state: _failure(state).pause,
            before_sleep=lambda state: self._log(path, state),
            retry_error_callback=lambda state: None,  # the loop ends
        )
        for attempt in attempts:
            with attempt, self.gate:
                return self._request(method, path, body, self._backoff(attempt.retry_state))
        raise ServerError(
            f"{method} {self.url}{path}: {ATTEMPTS} attempts failed, the last with {_failure(attempt.retry_state)}"
        )

    def _request(self, method: str, path: str, body: Record | None, pause: float) -> Record:
        """One attempt; `pause`: seconds to wait after a temporary failure if the server asks for no more."""
        try:
            answer = self._session.request(method, self.url + path, json=body, timeout=self._timeout)
            if answer.ok:
                self.gate.relieved()
                return dict(answer.json())
        # A broken connection, no answer in time, or half of one.
        except (requests.RequestException, ValueError, TypeError) as error:
            raise _TemporaryError(f"{type(error).__name__}: {error}"[:300], pause) from error
        problem = f"status {answer.status_code}: {answer.text[:300]}"
        if answer.status_code not in TEMPORARY:
            raise ServerError(f"{method} {self.url}{path}: {problem}")
        pause = max(pause, _seconds(answer.headers.get("Retry-After")))
        if answer.status_code in OVERLOADED:
            self.gate.overloaded(pause)
            pause = 0.0  # the gate holds every request back, this one included
        raise _TemporaryError(problem, pause)

    def _log(self, path: str, state: RetryCallState) -> None:
        failure = _failure(state)
        if failure.pause:
            number = state.attempt_number + 1
            log.warning(
                "%s%s: asking again in %.1f s (%d of %d): %s", self.url, path, failure.pause, number, ATTEMPTS, failure
            )

    def map(self, ask: Callable[[Item], Answer], items: Iterable[Item]) -> list[Answer]:
        """`ask(item)` for each item, concurrently; answers in the items' order. The first error cancels what has not
        started."""
        pool = ThreadPoolExecutor(self._concurrency)
        try:
            return list(pool.map(ask, items))
        finally:
            pool.shutdown(cancel_futures=True)


class ServerModel(TokenModel):
    """Sends prompts as token ids, so template, beginning-of-text token and limits are the same as for any other back
    end."""

    backend = "server"

    def __init__(self, codec: TextCodec, server: Server, context_length: int, name: str = "") -> None:
        """`name`: the model's name at the server. Empty: the server's only model, or the one named like the folder."""
        super().__init__(codec, context_length)
        self.window = context_length - 1  # the API generates one token even if only scores are wanted
        self._server, self._name = server, name

    @classmethod
    def from_environment(cls, codec: TextCodec, context_length: int, prefix: str = "LEMUR_SERVER") -> "ServerModel":
        """`prefix`: the environment variable with the address, and the beginning of the others' names."""
        url = os.environ.get(prefix)
        if not url:
            raise ServerError(f"{prefix} is not set; give it the server's address, such as http://127.0.0.1:8000/v1")
        concurrency = os.environ.get(f"{prefix}_CONCURRENCY", "8")
        if not concurrency.isdigit() or int(concurrency) < 1:
            raise ServerError(f"{prefix}_CONCURRENCY is {concurrency!r}; a whole number of at least 1 is allowed")
        server = Server(url, concurrency=int(concurrency), key=os.environ.get(f"{prefix}_KEY", ""))
        return cls(codec, server, context_length, os.environ.get(f"{prefix}_MODEL", ""))

    @cached_property
    def served(self) -> str:
        """The model's name at the server."""
        names = [str(entry.get("id")) for entry in self._server.ask("GET", "/models").get("data", [])]
        wanted = self._name or (names[0] if len(names) == 1 else self._codec.folder.name)
        if wanted not in names:
            raise ServerError(f"{self._server.url} serves {names}, not {wanted!r}; name one in LEMUR_SERVER_MODEL")
        return wanted

    def identity(self) -> Record:
        """`model_hash` is null: the API does not tell which weights the server has."""
        return identity(self.backend, self._codec) | {"served_model": self._name or self.served}

    def generate(
        self,
        prompts: Sequence[str],
        *,
        max_new_tokens: int,
        stop: Sequence[str],
        temperature: float = 0.0,
        seed: int = 0,
    ) -> list[Generation]:
        requests = [(prompt, *self.prompt(prompt, max_new_tokens)) for prompt in prompts]
        model = self.served  # before the threads start: this may start the server

        def generate_one(request: tuple[str, list[int], int]) -> Generation:
            prompt, tokens, room = request
            body = {"model": model, "prompt": tokens, "max_tokens": room, "temperature": temperature}
            if stop:
                body["stop"] = list(stop[:MAX_STOPS])
            if temperature:
                body["seed"] = int.from_bytes(key(prompt, seed)[:4], "little") >> 1
            answer, choice = self._complete(body)
            text = whole_characters(str(choice["text"]))
            cut = first_stop(text, stop)
            usage = answer.get("usage") or {}
            count = int(usage.get("completion_tokens") or len(self._codec.encode(text)))
            stopped = cut is not None or choice.get("finish_reason") == "stop"
            return Generation(text if cut is None else text[:cut], count, "stop" if stopped else "length")

        return self._server.map(generate_one, requests)

    def each_token(self, windows: Sequence[Window]) -> list[Part]:
        settings = {"model": self.served, "max_tokens": 1, "temperature": 0.0, "logprobs": 1, "echo": True}

        def score_one(window: Window) -> Part:
            _, choice = self._complete({**settings, "prompt": window.tokens})
            scores = choice.get("logprobs") or {}
            logprobs = scores.get("token_logprobs") or []
            tops = scores.get("top_logprobs") or []
            scored = slice(len(window.tokens) - window.scored, len(window.tokens))
            if min(len(logprobs), len(tops)) < len(window.tokens) or None in logprobs[scored]:
                raise ServerError(
                    f"{self._server.url}/completions gave {len(logprobs)} log-probabilities for a prompt of "
                    f"{len(window.tokens)} tokens; scoring needs a server with `echo` and `logprobs`"
                )
            greedy = [value >= max(top.values()) for value, top in zip(logprobs[scored], tops[scored], strict=True)]
            return np.asarray(logprobs[scored], np.float64), np.asarray(greedy, bool)

        return self._server.map(score_one, windows)

    def _complete(self, body: Record) -> tuple[Record, dict[str, Any]]:
        answer = self._server.ask("POST", "/completions", body)
        try:
            return answer, dict(answer["choices"][0])
        except (KeyError, IndexError, TypeError, ValueError):
            keys = sorted(answer)
            raise ServerError(f"{self._server.url}/completions answered without choices, but with {keys}") from None


def session(url: str, key: str = "") -> requests.Session:
    """A session for requests to `url`: to this machine never through the user's proxy, and never with a password of
    ~/.netrc, which `requests` would send in place of `key`."""
    result = requests.Session()
    result.trust_env = not _is_local(url)

    def authorise(request: requests.PreparedRequest) -> requests.PreparedRequest:
        if key:
            request.headers["Authorization"] = f"Bearer {key}"
        return request

    result.auth = authorise
    return result


def _is_local(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _failure(state: RetryCallState) -> _TemporaryError:
    """How the last attempt failed."""
    error = state.outcome.exception() if state.outcome else None
    assert isinstance(error, _TemporaryError)
    return error


def _seconds(retry_after: str | None) -> float:
    """A Retry-After header's seconds; 0 if there is none or it is a date."""
    try:
        return float(retry_after or 0)
    except ValueError:
        return 0.0
