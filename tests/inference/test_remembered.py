"""Answers that outlive a killed run are the same ones, asked once."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from lemur.inference.interface import Generation, Prompt, Score
from lemur.inference.remembered import Remembered, place, remember
from tests.evaluation.conftest import Oracle


class Dying(Oracle):
    """Answers `lives` portions and then dies, as a killed process does."""

    lives = 1_000

    def generate(self, prompts: Sequence[str], **how: object) -> list[Generation]:  # type: ignore[override]
        if self.lives == 0:
            raise KeyboardInterrupt
        self.lives -= 1
        return super().generate(prompts, **how)  # type: ignore[arg-type]


PROMPTS = ["b " * 9, "a", "c c", "a", "d d d", "e e"]
HOW = {"max_new_tokens": 4, "stop": ("!",)}


def test_a_killed_run_goes_on_where_it_stopped(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    whole = Remembered(Dying(str.upper), tmp_path / "whole.jsonl", portion=2).generate(PROMPTS, **HOW)  # type: ignore[arg-type]
    assert whole == Dying(str.upper).generate(PROMPTS, **HOW)
    dying = Dying(str.upper)
    dying.lives = 2
    with pytest.raises(KeyboardInterrupt):
        Remembered(dying, path, portion=2).generate(PROMPTS, **HOW)  # type: ignore[arg-type]
    assert dying.prompts == ["a", "c c", "e e", "d d d"]  # by length, equal ones once
    with path.open("ab") as file:
        file.write('{"key": "torn in the first letter of ü'.encode()[:-1])
    fresh = Dying(str.upper)
    again = Remembered(fresh, path, portion=2)
    assert again.generate(PROMPTS, **HOW) == whole and fresh.prompts == ["b " * 9]  # type: ignore[arg-type]
    assert again.resumed == 4
    assert all(json.loads(line) for line in path.read_text().splitlines())
    again.forget()
    assert not path.exists()


def test_every_kind_of_line_end_in_an_answer_is_kept(tmp_path: Path) -> None:
    prompts = ["a\u2028b", "c\u0085d", "e\rf\n"]
    whole = Remembered(Oracle(str.upper), tmp_path / "answers.jsonl", portion=2).generate(prompts, **HOW)  # type: ignore[arg-type]
    again = Remembered(Oracle(str.lower), tmp_path / "answers.jsonl", portion=2)
    assert again.resumed == 3 and again.generate(prompts, **HOW) == whole  # type: ignore[arg-type]


def test_prompts_with_one_beginning_are_asked_together(tmp_path: Path) -> None:
    model = Oracle(str.upper)
    prompts = [Prompt(f"{shots} {rest}", len(shots)) for rest in ("x y z", "x", "x y") for shots in ("AA", "B B")]
    Remembered(model, tmp_path / "answers.jsonl", portion=3).generate(prompts, **HOW)  # type: ignore[arg-type]
    assert model.prompts == ["AA x", "AA x y", "AA x y z", "B B x", "B B x y", "B B x y z"]
    model.prompts = []
    Remembered(model, tmp_path / "scores.jsonl", portion=3).loglikelihood([(prompt, " A") for prompt in prompts])
    assert model.prompts == ["AA x", "AA x y", "AA x y z", "B B x", "B B x y", "B B x y z"]


def test_what_is_asked_in_another_way_is_asked_again(tmp_path: Path) -> None:
    model = Oracle(str.upper)
    asked = Remembered(model, tmp_path / "answers.jsonl", portion=8)
    asked.generate(["a"], max_new_tokens=4, stop=())
    for other in ({"max_new_tokens": 5}, {"stop": ("x",)}, {"temperature": 0.5}, {"seed": 1}):
        asked.generate(["a"], **{"max_new_tokens": 4, "stop": (), **other})  # type: ignore[arg-type]
    asked.generate(["a"], max_new_tokens=4, stop=())
    assert model.prompts == ["a"] * 5


def test_scores_survive_to_the_bit(tmp_path: Path) -> None:
    class Fine(Oracle):
        def loglikelihood(self, requests: Sequence[tuple[str, str]]) -> list[Score]:
            self.prompts += [context for context, _ in requests]
            return [Score(-1 / 3 * len(text), (-0.1, 1e-300, -1 / 7), False) for text, _ in requests]

    requests = [("b" * 5, " x"), ("a", " x"), ("a", " y")]
    first = Remembered(Fine(str), tmp_path / "answers.jsonl", portion=1).loglikelihood(requests)
    model = Fine(str)
    again = Remembered(model, tmp_path / "answers.jsonl", portion=1).loglikelihood(requests)
    assert again == first == Fine(str).loglikelihood(requests) and model.prompts == []
    rolled = Remembered(model, tmp_path / "answers.jsonl", portion=1).rolling_loglikelihood(["xyz", "z"], overlap=1)
    assert rolled == Oracle(str).rolling_loglikelihood(["xyz", "z"], overlap=1)


def test_another_model_or_other_settings_have_another_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEMUR_ANSWERS", str(tmp_path))
    names = {
        place({"model_hash": "1"}, {"task": "a"}),
        place({"model_hash": "2"}, {"task": "a"}),
        place({"model_hash": "1"}, {"task": "b"}),
    }
    monkeypatch.setenv("XLA_FLAGS", "--xla_other")
    names.add(place({"model_hash": "1"}, {"task": "a"}))
    assert len(names) == 4
    assert remember(Oracle(str), {}, tile=4).context_length == 4096
