import csv
import io
from pathlib import Path

import pytest

from lemur.core.records import read_json, read_jsonl
from lemur.evaluation import mmlu as stage
from lemur.evaluation.kinds.prompted import PromptedTask
from lemur.sources.reading.rows import readable
from tests.evaluation.conftest import ASK, Oracle, fetched, file

PARAMS = ASK | {"shots": 5}
SUBJECTS = {"world_religions": 4, "astronomy": 7}


def rows(count: int, split: str) -> str:
    text = io.StringIO()
    for n in range(count):
        csv.writer(text).writerow([f"{split} question {n}, with a comma?", "w", "x\ny", "y", "z", "ABCD"[n % 4]])
    return text.getvalue()


@pytest.fixture
def benchmark(tmp_path: Path) -> Path:
    files = {}
    for subject, count in SUBJECTS.items():
        files[f"dev/{subject}_dev.csv"] = (rows(5, "dev"), {"split": "dev", "subject": subject})
        files[f"test/{subject}_test.csv"] = (rows(count, "test"), {"split": "test", "subject": subject})
    return fetched(tmp_path / "mmlu", "mmlu", files)


def truth(prompt: str) -> str:
    return " " + "ABCD"[int(prompt.rpartition("test question ")[2].partition(",")[0]) % 4]


def run(benchmark: Path, model: Oracle, monkeypatch: pytest.MonkeyPatch, **changed: object) -> tuple[dict, list[dict]]:  # type: ignore[type-arg]
    monkeypatch.setattr(PromptedTask, "open", lambda task, folder: model)
    result, samples = benchmark / "result.json", benchmark / "samples.jsonl"
    stage.mmlu(stage.Params(**{**PARAMS, **changed}), Path("model"), benchmark, result=result, samples=samples)  # type: ignore[arg-type]
    return read_json(result), list(read_jsonl(samples))


def test_correct_answers_score_one_and_wrong_ones_zero(benchmark: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result, samples = run(benchmark, Oracle(truth), monkeypatch)
    assert result["results"]["mmlu"] == {"acc,none": 1.0, "acc_macro,none": 1.0, "acc_stderr,none": 0.0}
    assert result["n-samples"] == {"mmlu": {"original": 11, "effective": 11}} and len(samples) == 11
    wrong = Oracle(lambda prompt: " " + "BCDA"["ABCD".index(truth(prompt)[1])])
    assert run(benchmark, wrong, monkeypatch)[0]["results"]["mmlu"]["acc,none"] == 0.0


def test_the_mean_is_over_questions_and_macro_over_subjects(benchmark: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    knows_one = Oracle(lambda prompt: truth(prompt) if "astronomy" in prompt else " none")
    result, _ = run(benchmark, knows_one, monkeypatch)
    # Of four equally likely letters the first counts: one of the four answers in world religions is A.
    assert result["results"]["mmlu"]["acc,none"] == pytest.approx(8 / 11)
    assert result["results"]["mmlu"]["acc_macro,none"] == pytest.approx((1 + 1 / 4) / 2)
    assert result["results"]["mmlu_astronomy"]["acc,none"] == 1.0
    assert result["group_subtasks"] == {"mmlu": ["mmlu_astronomy", "mmlu_world_religions"]}


def test_the_prompt_equals_the_original(benchmark: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = Oracle(truth)
    run(benchmark, model, monkeypatch, shots=1, limit=1)
    assert model.prompts[-1].startswith(
        "The following are multiple choice questions (with answers) about  world religions.\n\n"
        "dev question 0, with a comma?\nA. w\nB. x\ny\nC. y\nD. z\nAnswer: A\n\ntest question "
    )
    assert model.prompts[-1].endswith("\nD. z\nAnswer:")


def test_shots_are_dropped_for_a_short_context(benchmark: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result, samples = run(benchmark, Oracle(truth, context_length=70), monkeypatch)
    assert {sample["shots"] for sample in samples} == {2}
    assert result["counts"]["mmlu"]["fewer_shots"] == 11


def test_the_limit_applies_to_each_subject(benchmark: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result, samples = run(benchmark, Oracle(truth), monkeypatch, limit=3)
    assert result["n-samples"]["mmlu"] == {"original": 11, "effective": 6}
    assert [sample["subject"] for sample in samples] == ["astronomy"] * 3 + ["world_religions"] * 3


def test_a_chat_model_is_asked_in_its_template(benchmark: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = Oracle(truth)
    model.chat = True
    run(benchmark, model, monkeypatch)
    assert model.prompts[0].startswith("[user]The following") and model.prompts[0].endswith("\nD. z[assistant]Answer:")


def test_a_benchmark_without_its_source_is_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result, samples = run(fetched(tmp_path / "mmlu", "mmlu", {}), Oracle(truth), monkeypatch)
    assert "left out" in result["results"]["mmlu"]["skipped"] and samples == []


@pytest.mark.parametrize("line", ["a,b,c", "q,a,b,c,d,E", "q,a,b,c,d,AB"])
def test_a_bad_row_is_reported(tmp_path: Path, line: str) -> None:
    path = tmp_path / "x_test.csv"
    path.write_text(f"q,a,b,c,d,A\n{line}\n", encoding="utf-8")
    bad = list(stage.read(file(path, "mmlu", subject="x")))[1]
    assert bad.where == "x_test.csv:2"  # type: ignore[union-attr]


def test_the_whole_original_is_readable(mirror: Path) -> None:
    for split, count in (("dev", 285), ("test", 14042)):
        paths = sorted((mirror / "mmlu" / split).glob("*.csv"))
        questions = [q for path in paths for q in readable(stage.read(file(path, "mmlu", subject="s")))]
        assert (len(paths), len(questions)) == (57, count)
