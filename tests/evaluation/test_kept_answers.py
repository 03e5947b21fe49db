"""Answers are kept apart from scoring: what an edit asks again, and what it only scores again."""

import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from lemur.core.records import read_json, read_jsonl
from lemur.evaluation import gsm8k as stage
from lemur.evaluation.harness import run as harness
from lemur.evaluation.kinds.prompted import PromptedTask
from lemur.inference.answer_cache import CachedModel
from tests.evaluation.conftest import ASK_FOR_ANSWERS, Oracle, fetched
from tests.evaluation.test_gsm8k import lines

PARAMS = {**ASK_FOR_ANSWERS, "shots": 2, "max_new_tokens": 8, "limit": 4}
Run = Callable[..., list[str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Run:
    """Runs GSM8K with changed parameters and returns the prompts that the model was asked, after it has checked that
    the rehearsal said so."""
    splits = {f"{split}.jsonl": (lines(split, 6), {"split": split}) for split in ("train", "test")}
    benchmark = fetched(tmp_path / "gsm8k", "gsm8k", splits)
    caplog.set_level(logging.INFO)

    def run(**changed: object) -> list[str]:
        model = Oracle(lambda prompt: " The answer is 12.\n")
        path = tmp_path / "answers/0/gsm8k.jsonl"
        monkeypatch.setattr(PromptedTask, "open", lambda task, folder: CachedModel(model, path, portion=2))
        params = stage.Params(**{**PARAMS, **changed})  # type: ignore[arg-type]
        outlook = harness.rehearse(stage.task(params, benchmark), Path("model"))
        assert model.prompts == [] and outlook.path == path
        caplog.clear()
        out = tmp_path / "lemur"
        stage.gsm8k(params, Path("model"), benchmark, result=out / "gsm8k.json", samples=out / "gsm8k.jsonl")
        assert f"gsm8k of lemur: {outlook.verdict}: {outlook.explanation}" in caplog.messages
        total = len({sample["prompt"] for sample in read_jsonl(out / "gsm8k.jsonl")})
        assert outlook.explanation == (
            f"{len(model.prompts)} of {total} prompts to ask"
            if model.prompts
            else f"the answers to all {total} prompts are on record"
        )
        return model.prompts

    return run


def test_an_edited_rule_asks_nothing(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(run()) == 4
    before = read_json(tmp_path / "lemur/gsm8k.json")["results"]["gsm8k"]
    monkeypatch.setattr(stage, "same_number", lambda given, target: True)
    assert run() == []
    after = read_json(tmp_path / "lemur/gsm8k.json")["results"]["gsm8k"]
    assert after["exact_match,strict"] == 1.0 > before["exact_match,strict"]
    assert after["exact_match,paper"] == before["exact_match,paper"]


def test_a_larger_limit_asks_only_new_items(run: Run) -> None:
    first = run()
    new = run(limit=6)
    assert len(new) == 2 and not set(first) & set(new)
    assert run(limit=3, backend="jax") == []


def test_an_edited_prompt_asks_again(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = run()
    assert len(run(shots=1)) == 4 and len(run(max_new_tokens=9)) == 4 and len(run(stop=["Q"])) == 4
    original = stage.prompt

    def edited(model, shots, problem, in_chat):  # type: ignore[no-untyped-def]
        text = original(model, shots, problem, in_chat)
        return text.replace("Answer", "Reply") if text == asked[0] else text

    monkeypatch.setattr(stage, "prompt", edited)
    assert len(run(limit=None)) == 3  # the two that the limit left out, and the edited one


def test_replay_keeps_no_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    splits = {f"{split}.jsonl": (lines(split, 3), {"split": split}) for split in ("train", "test")}
    benchmark = fetched(tmp_path / "gsm8k", "gsm8k", splits)
    monkeypatch.setattr(PromptedTask, "open", lambda task, folder: Oracle(str))
    outlook = harness.rehearse(stage.task(stage.Params(**PARAMS), benchmark), Path("model"))  # type: ignore[arg-type]
    assert outlook.verdict == "replay" and outlook.path is None
    empty = fetched(tmp_path / "left_out", "gsm8k", {})
    outlook = harness.rehearse(stage.task(stage.Params(**PARAMS), empty), Path("model"))  # type: ignore[arg-type]
    assert (outlook.verdict, outlook.explanation) == ("skipped", "the source left_out is left out")
