"""Answers survive the end of a run, killed or not, and no request is repeated."""

import os
import signal
import time
from collections.abc import Sequence
from multiprocessing import get_context
from pathlib import Path

import pytest

from lemur.core.append_only import append
from lemur.inference.answers.cache import CachedModel, read_answers
from lemur.inference.interface import Generation, Prompt, Score
from tests.evaluation.conftest import Oracle


class Dying(Oracle):
    """Answers `portions` portions and then dies, as a killed process does."""

    portions = 1_000

    def generate(self, prompts: Sequence[str], **settings: object) -> list[Generation]:  # type: ignore[override]
        if self.portions == 0:
            raise KeyboardInterrupt
        self.portions -= 1
        return super().generate(prompts, **settings)  # type: ignore[arg-type]


PROMPTS = ["b " * 9, "a", "c c", "a", "d d d", "e e"]
SETTINGS = {"max_new_tokens": 4, "stop": ("!",)}


def test_a_killed_run_resumes_where_it_stopped(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    whole = CachedModel(Dying(str.upper), tmp_path / "whole.jsonl", portion=2).generate(PROMPTS, **SETTINGS)  # type: ignore[arg-type]
    assert whole == Dying(str.upper).generate(PROMPTS, **SETTINGS)
    dying = Dying(str.upper)
    dying.portions = 2
    with pytest.raises(KeyboardInterrupt):
        CachedModel(dying, path, portion=2).generate(PROMPTS, **SETTINGS)  # type: ignore[arg-type]
    assert dying.prompts == ["a", "c c", "e e", "d d d"]  # by length, duplicates once
    with path.open("ab") as file:
        file.write('{"key": "torn in the first letter of ü'.encode()[:-1])
    fresh = Dying(str.upper)
    again = CachedModel(fresh, path, portion=2)
    assert again.generate(PROMPTS, **SETTINGS) == whole and fresh.prompts == ["b " * 9]  # type: ignore[arg-type]
    assert (len(again.reused), len(again.asked)) == (4, 1)
    silent = Dying(str.upper)
    assert CachedModel(silent, path, portion=2).generate(PROMPTS, **SETTINGS) == whole and silent.prompts == []  # type: ignore[arg-type]


def test_a_torn_line_spoils_no_other(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    append(path, [{"key": "a", "answer": {"n": 1}}])
    with path.open("ab") as file:
        file.write('{"key": "torn in the first letter of ü'.encode()[:-1])
    append(path, [{"key": "b", "answer": {"n": 2}}])
    with path.open("ab") as file:
        file.write(b'\0\0{}\n[]\n{"key": ["a"], "answer": {}}\n')  # what a crashed machine leaves
    append(path, [{"key": "a", "answer": {"n": 3}}])  # from another process: the first answer counts
    assert read_answers(path) == {"a": {"n": 1}, "b": {"n": 2}}


def _append_many(path: Path, writer: int) -> None:
    for number in range(50):
        append(path, [{"key": f"{writer} {number} {part}", "answer": {"text": "ü" * 3000}} for part in range(3)])


def test_two_processes_add_to_one_file_at_once(tmp_path: Path) -> None:
    """A third is killed again and again while it writes."""
    path = tmp_path / "answers.jsonl"
    fork = get_context("fork")
    writers = [fork.Process(target=_append_many, args=(path, number)) for number in range(2)]
    for process in writers:
        process.start()
    for number in range(2, 8):
        victim = fork.Process(target=_append_many, args=(path, number))
        victim.start()
        time.sleep(0.003 * number)
        assert victim.pid
        os.kill(victim.pid, signal.SIGKILL)
        victim.join()
    for process in writers:
        process.join()
    answers = read_answers(path)
    assert {f"{w} {n} {part}" for w in range(2) for n in range(50) for part in range(3)} <= set(answers)
    assert all(answer == {"text": "ü" * 3000} for answer in answers.values())


def test_a_rehearsal_asks_nothing_and_says_what_will_be_asked(tmp_path: Path) -> None:
    model = Oracle(str.upper)
    cached = CachedModel(model, tmp_path / "answers.jsonl", portion=2)
    known = cached.generate(PROMPTS[:2], **SETTINGS)  # type: ignore[arg-type]
    model.prompts = []
    rehearsal = cached.rehearse()
    answers = rehearsal.generate(PROMPTS, **SETTINGS)  # type: ignore[arg-type]
    rehearsal.loglikelihood([("a", " x"), ("a", " y")])
    assert answers[:2] == known and answers[2].text == "" and model.prompts == []
    assert rehearsal.outlook().explanation == "4 of 5 prompts to ask"
    cached.generate(PROMPTS, **SETTINGS)  # type: ignore[arg-type]
    cached.loglikelihood([("a", " x"), ("a", " y")])
    assert set(model.prompts) == rehearsal.missing
    again = cached.rehearse()
    again.generate(PROMPTS, **SETTINGS)  # type: ignore[arg-type]
    assert (again.outlook().verdict, again.missing) == ("regrade", set())


def test_answers_keep_every_kind_of_line_end(tmp_path: Path) -> None:
    prompts = ["a\u2028b", "c\u0085d", "e\rf\n"]
    whole = CachedModel(Oracle(str.upper), tmp_path / "answers.jsonl", portion=2).generate(prompts, **SETTINGS)  # type: ignore[arg-type]
    again = CachedModel(Oracle(str.lower), tmp_path / "answers.jsonl", portion=2)
    assert again.generate(prompts, **SETTINGS) == whole and not again.asked  # type: ignore[arg-type]


def test_prompts_with_one_prefix_are_asked_together(tmp_path: Path) -> None:
    model = Oracle(str.upper)
    prompts = [Prompt(f"{shots} {rest}", len(shots)) for rest in ("x y z", "x", "x y") for shots in ("AA", "B B")]
    CachedModel(model, tmp_path / "answers.jsonl", portion=3).generate(prompts, **SETTINGS)  # type: ignore[arg-type]
    assert model.prompts == ["AA x", "AA x y", "AA x y z", "B B x", "B B x y", "B B x y z"]
    model.prompts = []
    CachedModel(model, tmp_path / "scores.jsonl", portion=3).loglikelihood([(prompt, " A") for prompt in prompts])
    assert model.prompts == ["AA x", "AA x y", "AA x y z", "B B x", "B B x y", "B B x y z"]


def test_a_request_with_other_settings_is_asked_again(tmp_path: Path) -> None:
    model = Oracle(str.upper)
    cached = CachedModel(model, tmp_path / "answers.jsonl", portion=8)
    cached.generate(["a"], max_new_tokens=4, stop=())
    for change in ({"max_new_tokens": 5}, {"stop": ("x",)}, {"temperature": 0.5}, {"seed": 1}):
        cached.generate(["a"], **{"max_new_tokens": 4, "stop": (), **change})  # type: ignore[arg-type]
    cached.generate([Prompt("a", 1)], max_new_tokens=4, stop=())  # computed in two parts, so its bits may differ
    cached.generate(["a"], max_new_tokens=4, stop=())
    assert model.prompts == ["a"] * 6


def test_scores_survive_bit_for_bit(tmp_path: Path) -> None:
    class PreciseScores(Oracle):
        def loglikelihood(self, requests: Sequence[tuple[str, str]]) -> list[Score]:
            self.prompts += [context for context, _ in requests]
            return [Score(-1 / 3 * len(text), (-0.1, 1e-300, -1 / 7), False) for text, _ in requests]

    requests = [("b" * 5, " x"), ("a", " x"), ("a", " y")]
    first = CachedModel(PreciseScores(str), tmp_path / "answers.jsonl", portion=1).loglikelihood(requests)
    model = PreciseScores(str)
    again = CachedModel(model, tmp_path / "answers.jsonl", portion=1).loglikelihood(requests)
    assert again == first == PreciseScores(str).loglikelihood(requests) and model.prompts == []
    rolled = CachedModel(model, tmp_path / "answers.jsonl", portion=1).rolling_loglikelihood(["xyz", "z"], overlap=1)
    assert rolled == Oracle(str).rolling_loglikelihood(["xyz", "z"], overlap=1)
