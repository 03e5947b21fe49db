"""The back end `server` against a real local server: the same answers as in process, whatever goes wrong."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import requests
import tenacity
from flax import nnx

from lemur.inference.answers.cache import CachedModel
from lemur.inference.interface import Generation
from lemur.inference.jax_model import JaxModel
from lemur.inference.replay import ReplayModel
from lemur.inference.server_model import ATTEMPTS, Gate, Server, ServerError, ServerModel
from lemur.inference.text import TextCodec
from lemur.model.llama import Llama
from tests.inference.openai_server import OpenAiServer, running
from tests.inference.test_jax_model import CONFIG, PROMPTS, logprobs_of

SETTINGS: dict[str, Any] = {"max_new_tokens": 8, "stop": ["zz", "\n\n", "q", "ü", "Point", "e"]}


@pytest.fixture(scope="module")
def codec(tokenizer_folder: Path) -> TextCodec:
    return TextCodec(tokenizer_folder, bos=True)


@pytest.fixture(scope="module")
def llama() -> Llama:
    return Llama(CONFIG, rngs=nnx.Rngs(0))


@pytest.fixture(scope="module")
def model(llama: Llama, codec: TextCodec) -> JaxModel:
    return JaxModel(llama, codec, tile=4)


@pytest.fixture
def server(llama: Llama, model: JaxModel, codec: TextCodec) -> Iterator[OpenAiServer]:
    by_tokens = {tuple(codec.encode_prompt(prompt) or [codec.bos_id]): prompt for prompt in PROMPTS}

    def generate(body: dict[str, Any]) -> Generation:
        prompt = by_tokens[tuple(body["prompt"])]
        return model.generate([prompt], max_new_tokens=body["max_tokens"], stop=body.get("stop", []))[0]

    def score(tokens: list[int]) -> list[list[float]]:
        logprobs = logprobs_of(llama, tokens)
        return [[float(row[token]), float(row.max())] for row, token in zip(logprobs, tokens[1:], strict=False)]

    with running(OpenAiServer(generate, score)) as server:
        yield server


def client(server: OpenAiServer, codec: TextCodec, **changes: Any) -> ServerModel:
    connection = Server(server.url, **{"concurrency": 4, "pause": 0.01, "timeout": 30.0, **changes})
    return ServerModel(codec, connection, CONFIG.max_position_embeddings)


def texts(answers: list[Generation]) -> list[tuple[str, str]]:
    """Answers without token counts: a server that takes four stop strings continues past the fifth."""
    return [(answer.text, answer.finish) for answer in answers]


def test_answers_and_scores_equal_those_of_the_served_model(
    server: OpenAiServer, codec: TextCodec, model: JaxModel
) -> None:
    remote = client(server, codec)
    assert texts(remote.generate(PROMPTS, **SETTINGS)) == texts(model.generate(PROMPTS, **SETTINGS))
    assert all(len(body["stop"]) == 4 and body["temperature"] == 0 for body in server.bodies)
    requests = [(prompt, text) for prompt in PROMPTS for text in (" A", " several words")]
    for ours, theirs in zip(remote.loglikelihood(requests), model.loglikelihood(requests), strict=True):
        np.testing.assert_allclose(ours.token_logprobs, theirs.token_logprobs, atol=2e-5)
        assert ours.greedy == theirs.greedy
    text = "def add(a, b):\n    return a + b\n" * 30
    ours, theirs = (each.rolling_loglikelihood([text], overlap=64)[0] for each in (remote, model))
    assert len(ours.token_logprobs) == len(theirs.token_logprobs) > CONFIG.max_position_embeddings
    assert remote.chat_prompt([{"role": "user", "content": "x"}]) == model.chat_prompt(
        [{"role": "user", "content": "x"}]
    )


@pytest.mark.parametrize("fault", ["drop", "half", "slow", (500, {}), (503, {}), (429, {"Retry-After": "0.05"})])
def test_transient_faults_are_retried(fault: Any, server: OpenAiServer, codec: TextCodec, model: JaxModel) -> None:
    expected = texts(model.generate(PROMPTS, **SETTINGS))
    server.fault = lambda number: fault if number in (1, 2, 4) else None
    remote = client(server, codec, timeout=3.0 if fault == "slow" else 30.0, concurrency=2)
    assert texts(remote.generate(PROMPTS, **SETTINGS)) == expected
    assert len(server.bodies) > len(PROMPTS)


def test_permanent_errors_are_reported_at_once(server: OpenAiServer, codec: TextCodec) -> None:
    server.fault = lambda number: (400, {})
    with pytest.raises(ServerError, match=r"status 400.*injected fault"):
        client(server, codec, concurrency=1).generate(PROMPTS, **SETTINGS)
    assert len(server.bodies) <= 2


def test_a_server_that_stays_down_fails_the_run(server: OpenAiServer, codec: TextCodec) -> None:
    server.fault = lambda number: (502, {})
    with pytest.raises(ServerError, match=f"{ATTEMPTS} attempts failed.*status 502"):
        client(server, codec, concurrency=1).generate(PROMPTS[:1], **SETTINGS)
    assert len(server.bodies) == ATTEMPTS


def test_concurrency_is_limited_and_drops_when_the_server_is_overloaded(server: OpenAiServer, codec: TextCodec) -> None:
    remote = client(server, codec)
    remote.generate(PROMPTS, **SETTINGS)
    assert 1 < server.most_at_once <= 4
    gate = Gate(8)
    gate.overloaded(0.0)
    gate.overloaded(0.0)
    assert gate.limit == 2
    for _ in range(100):
        gate.relieved()
    assert gate.limit == 8
    gate.overloaded(0.2)
    start = time.monotonic()
    with gate:
        assert time.monotonic() - start >= 0.2, "no request starts during the requested pause"


def test_the_served_model_is_known(server: OpenAiServer, codec: TextCodec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEMUR_SERVER", server.url)
    monkeypatch.setenv("LEMUR_SERVER_KEY", "a word")
    remote = ServerModel.from_environment(codec, 320)
    identity = remote.identity()
    assert (identity["backend"], identity["served_model"], identity["model_hash"]) == ("server", "served", None)
    assert identity["tokenizer_hash"] == codec.hashes()["tokenizer_hash"]
    remote.generate(PROMPTS[:1], **SETTINGS)
    assert server.bodies[0]["model"] == "served" and server.headers[0]["Authorization"] == "Bearer a word"
    server.names = ["one", "other"]
    with pytest.raises(ServerError, match=r"serves \['one', 'other'\], not .*LEMUR_SERVER_MODEL"):
        _ = ServerModel.from_environment(codec, 320).served
    monkeypatch.setenv("LEMUR_SERVER_MODEL", "other")
    assert ServerModel.from_environment(codec, 320).served == "other"
    monkeypatch.delenv("LEMUR_SERVER")
    with pytest.raises(ServerError, match="LEMUR_SERVER is not set"):
        ServerModel.from_environment(codec, 320)


def test_a_server_without_scores_is_reported(server: OpenAiServer, codec: TextCodec) -> None:
    server.answer = lambda body: {"choices": [{"text": "x", "logprobs": None}]}  # type: ignore[method-assign]
    with pytest.raises(ServerError, match="0 log-probabilities"):
        client(server, codec).loglikelihood([("a", "b c")])


def answer(status: int, **headers: str) -> requests.Response:
    response = requests.Response()
    response.status_code = status
    response._content = b'{"choices": []}' if status == 200 else b"not now"
    response.headers.update({name.replace("_", "-"): value for name, value in headers.items()})
    return response


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that tenacity would have slept, without sleeping."""
    slept: list[float] = []
    monkeypatch.setattr(tenacity.nap, "time", SimpleNamespace(sleep=lambda seconds: slept.append(float(seconds))))
    return slept


def scripted(monkeypatch: pytest.MonkeyPatch, *answers: Any) -> tuple[Server, list[float], list[Any]]:
    """A server that gives these answers in turn; the pauses that its gate is asked for; the answers still to come."""
    server = Server("http://nowhere/v1", concurrency=8, pause=0.5)
    left, closed = list(answers), []

    def request(*_: Any, **__: Any) -> requests.Response:
        following = left.pop(0)
        if isinstance(following, Exception):
            raise following
        return following

    monkeypatch.setattr(server._session, "request", request)
    monkeypatch.setattr(server.gate, "overloaded", closed.append)
    return server, closed, left


def test_pauses_double_up_to_a_minute_and_honour_retry_after(
    monkeypatch: pytest.MonkeyPatch, pauses: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    server, _, left = scripted(monkeypatch, *[answer(500) for _ in range(ATTEMPTS)])
    with pytest.raises(ServerError, match=rf"^GET http://nowhere/v1/x: {ATTEMPTS} attempts failed, .*500: not now$"):
        server.ask("GET", "/x")
    assert pauses == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0] and not left
    assert caplog.messages[0] == "http://nowhere/v1/x: asking again in 0.5 s (2 of 8): status 500: not now"
    assert len(caplog.messages) == ATTEMPTS - 1
    assert Server("http://nowhere", concurrency=1, pause=50.0)._backoff(SimpleNamespace(attempt_number=2)) == 60.0

    pauses.clear()
    server, _, _ = scripted(
        monkeypatch, answer(502, Retry_After="90"), answer(409, Retry_After="Tue, 1 Jan"), answer(200)
    )
    assert server.ask("POST", "/x", {}) == {"choices": []}
    assert pauses == [90.0, 1.0]


def test_an_overloaded_server_closes_the_gate_for_all_and_no_thread_sleeps(
    monkeypatch: pytest.MonkeyPatch, pauses: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    server, closed, _ = scripted(monkeypatch, answer(429), answer(503, Retry_After="7"), answer(429), answer(200))
    assert server.ask("GET", "/x") == {"choices": []}
    assert closed == [0.5, 7.0, 2.0]
    assert not any(pauses) and not caplog.messages


@pytest.mark.parametrize(
    ("error", "problem"),
    [(requests.ConnectionError("reset"), "ConnectionError: reset"), (requests.Timeout("x" * 400), "Timeout: x{291}$")],
)
def test_connection_errors_are_repeated(
    error: Exception, problem: str, monkeypatch: pytest.MonkeyPatch, pauses: list[float]
) -> None:
    server, _, _ = scripted(monkeypatch, *[error] * ATTEMPTS)
    with pytest.raises(ServerError, match=f"{ATTEMPTS} attempts failed, the last with {problem}"):
        server.ask("GET", "/x")
    assert len(pauses) == ATTEMPTS - 1
    half = answer(200)
    half._content = b"{"
    server, _, _ = scripted(monkeypatch, half, answer(200))
    assert server.ask("GET", "/x") == {"choices": []}


@pytest.mark.parametrize("status", [400, 401, 404, 422, 501])
def test_other_statuses_end_at_once(status: int, monkeypatch: pytest.MonkeyPatch, pauses: list[float]) -> None:
    server, _, left = scripted(monkeypatch, answer(status), answer(200))
    with pytest.raises(ServerError, match=f"^GET http://nowhere/v1/x: status {status}: not now$"):
        server.ask("GET", "/x")
    assert len(left) == 1 and not pauses


def test_a_mistake_of_ours_is_not_repeated(monkeypatch: pytest.MonkeyPatch, pauses: list[float]) -> None:
    server, _, left = scripted(monkeypatch, ZeroDivisionError(), answer(200))
    with pytest.raises(ZeroDivisionError):
        server.ask("GET", "/x")
    assert len(left) == 1 and not pauses


def test_half_a_character_in_an_answer_becomes_a_replacement_character(server: OpenAiServer, codec: TextCodec) -> None:
    text = "def f():\n    return '\ud83d'  # \ud83d\ude00 \N{GRINNING FACE} \udc00"
    server.answer = lambda body: {"choices": [{"text": text, "finish_reason": "stop"}]}  # type: ignore[method-assign]
    (answer,) = client(server, codec).generate(PROMPTS[:1], max_new_tokens=4, stop=[])
    assert answer.text == "def f():\n    return '\ufffd'  # \N{GRINNING FACE} \N{GRINNING FACE} \ufffd"
    assert answer.tokens == len(codec.encode(answer.text))


def test_recorded_and_remembered_answers_have_whole_characters(tmp_path: Path) -> None:
    sample = {"prompt": "P", "output": "A\ud83d"}
    (tmp_path / "samples.jsonl").write_text(json.dumps(sample), encoding="utf-8")
    model = ReplayModel.from_samples(tmp_path / "samples.jsonl")
    cached = CachedModel(model, tmp_path / "cache.jsonl", portion=1)
    (answer,) = cached.generate(["P"], max_new_tokens=1, stop=[])
    assert answer == Generation("A\ufffd", 0, "stop")
    assert CachedModel(model, tmp_path / "cache.jsonl", portion=1).generate(["P"], max_new_tokens=1, stop=[]) == [
        answer
    ]
