"""Answers survive a killed run unchanged, and no request is repeated."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from lemur.inference.answer_cache import CachedModel, cache_path, with_cached_answers
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
    assert again.resumed == 4
    assert all(json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())
    again.clear()
    assert not path.exists()


def test_answers_keep_every_kind_of_line_end(tmp_path: Path) -> None:
    prompts = ["a\u2028b", "c\u0085d", "e\rf\n"]
    whole = CachedModel(Oracle(str.upper), tmp_path / "answers.jsonl", portion=2).generate(prompts, **SETTINGS)  # type: ignore[arg-type]
    again = CachedModel(Oracle(str.lower), tmp_path / "answers.jsonl", portion=2)
    assert again.resumed == 3 and again.generate(prompts, **SETTINGS) == whole  # type: ignore[arg-type]


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
    cached.generate(["a"], max_new_tokens=4, stop=())
    assert model.prompts == ["a"] * 5


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


def test_each_model_and_each_settings_have_their_own_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEMUR_ANSWERS", str(tmp_path))
    names = {
        cache_path({"model_hash": "1"}, {"task": "a"}),
        cache_path({"model_hash": "2"}, {"task": "a"}),
        cache_path({"model_hash": "1"}, {"task": "b"}),
    }
    monkeypatch.setenv("XLA_FLAGS", "--xla_other")
    names.add(cache_path({"model_hash": "1"}, {"task": "a"}))
    assert len(names) == 4
    assert with_cached_answers(Oracle(str), {}, tile=4).context_length == 4096
