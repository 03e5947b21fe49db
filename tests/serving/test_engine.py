"""Rows that join and leave running tiles get the answers that they get alone, to the bit."""

import threading
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import pytest

from lemur.inference.jax_model import JaxModel
from lemur.serving.engine import BusyError, Engine, StoppedError
from lemur.serving.row import Row, settled
from tests.serving.conftest import PROMPTS, TILE


def wait_for(condition: Callable[[], bool]) -> None:
    for _ in range(25_000):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("waited for minutes")


def finished(rows: Sequence[Row]) -> list[Row]:
    wait_for(lambda: all(row.result for row in rows))
    return list(rows)


def nothing() -> None:
    pass


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_answers_are_those_of_the_model_in_process(engine: Engine, model: JaxModel, temperature: float) -> None:
    rows = []
    for number, prompt in enumerate(PROMPTS * 2):
        longest = 100 if number % 3 else 20 + number
        request = engine.request(prompt, max_tokens=longest, temperature=temperature, seed=number, stop=["zz", "\n\n"])
        rows += engine.submit([request], nothing)
        if number % 5 == 4:
            wait_for(lambda: engine.state()["running"] > 0)  # the next ones join what runs
    for row in finished(rows):
        asked = row.request
        (expected,) = model.generate(
            [asked.text], max_new_tokens=asked.max_tokens, stop=asked.stop, temperature=temperature, seed=asked.seed
        )
        assert row.result == expected
    assert len({row.result.text for row in rows if row.result}) > len(PROMPTS) // 2
    assert max(row.result.tokens for row in rows if row.result) > 64  # some have moved to a larger cache


def test_greedy_and_sampled_rows_share_a_tile(engine: Engine, model: JaxModel) -> None:
    asked = [(prompt, temperature) for prompt in PROMPTS[:4] for temperature in (0.0, 0.5, 1.5)]
    requests = [engine.request(text, max_tokens=60, temperature=temperature, seed=7) for text, temperature in asked]
    rows = finished(engine.submit(requests, nothing))
    for row, (text, temperature) in zip(rows, asked, strict=True):
        expected = model.generate([text], max_new_tokens=60, stop=[], temperature=temperature, seed=7)
        assert [row.result] == expected


def test_what_is_visible_only_grows_and_ends_as_the_answer(engine: Engine) -> None:
    seen: list[str] = []
    request = engine.request("ünïcode", max_tokens=90, temperature=1.0, seed=2, stop=["nothing like that"])
    ready = threading.Event()
    rows: list[Row] = []

    def look() -> None:
        ready.wait()
        seen.append(rows[0].visible)

    rows += engine.submit([request], look)
    ready.set()
    (row,) = finished(rows)
    assert len(seen) > 2
    assert all(after.startswith(before) for before, after in pairwise(seen))
    assert row.result and seen[-1] == row.result.text


def test_what_a_stop_string_or_a_character_may_still_change_is_not_settled() -> None:
    assert settled("one tw", ["two"]) == "one "
    assert settled("one tw", ["x", "wo"]) == "one t"
    assert settled("one two three", ["four"]) == "one two three"
    assert settled("caf\ufffd\ufffd", []) == "caf"
    assert settled("aab", ["aabb", "bc"]) == ""


def test_a_cancelled_row_makes_room(folder: Path) -> None:
    engine = Engine.load(folder, tile=TILE, rows=1, waiting=1)
    first = engine.submit([engine.request("x", max_tokens=159)], nothing)
    wait_for(lambda: engine.state() == {"running": 1, "waiting": 0} or bool(first[0].result))
    second = engine.submit([engine.request("def", max_tokens=3)], nothing)
    engine.cancel(first)
    (row,) = finished(second)
    assert row.result and row.result.tokens == 3
    wait_for(lambda: engine.state() == {"running": 0, "waiting": 0})
    engine.close()


def test_an_idle_engine_gathers_prompts_that_come_one_by_one(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lemur.serving.engine.GATHERING_S", 60.0)
    engine = Engine.load(folder, tile=TILE, rows=8, waiting=8)
    started: list[int] = []
    start = engine._computer.start
    monkeypatch.setattr(engine._computer, "start", lambda rows: started.append(len(rows)) or start(rows))
    rows = []
    for _ in range(TILE):
        rows += engine.submit([engine.request("x", max_tokens=3)], nothing)
        time.sleep(0.05)
    finished(rows)
    assert started == [TILE]
    engine.close()


def test_no_more_wait_than_may(folder: Path) -> None:
    engine = Engine.load(folder, tile=TILE, rows=2, waiting=3)
    request = engine.request("x", max_tokens=100)
    with pytest.raises(BusyError, match="3 requests are waiting"):
        engine.submit([request] * 6, nothing)
    rows = engine.submit([request] * 5, nothing)
    assert len({row.result for row in finished(rows)}) == 1
    engine.close()
    with pytest.raises(StoppedError):
        engine.submit([request], nothing)


def test_a_failure_ends_its_answers_and_no_later_ones(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Engine.load(folder, tile=TILE, rows=2, waiting=3)
    broken = threading.Event()

    def fail(*_: object) -> None:
        broken.set()
        raise MemoryError("no room")

    with monkeypatch.context() as patch:
        patch.setattr(engine._computer, "continue_", fail)
        (row,) = engine.submit([engine.request("x", max_tokens=50)], nothing)
        wait_for(lambda: row.error is not None)
    assert broken.is_set() and isinstance(row.error, MemoryError)
    assert finished(engine.submit([engine.request("x", max_tokens=50)], nothing))
    engine.close()


def test_a_prompt_that_fills_the_context_is_refused(engine: Engine) -> None:
    with pytest.raises(ValueError, match="the model's context 160"):
        engine.request("word " * 200, max_tokens=1)
