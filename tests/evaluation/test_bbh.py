import json
from pathlib import Path

import pytest

from lemur.core.records import Record, read_json, read_jsonl
from lemur.evaluation import bbh as stage
from lemur.evaluation.kinds.prompted import PromptedTask
from lemur.sources.reading.rows import readable
from tests.evaluation.conftest import ASK_FOR_ANSWERS, BUNDLED, Oracle, fetched, file

PARAMS = ASK_FOR_ANSWERS | {"shots": 2, "max_new_tokens": 64, "strip_prompt": False}
HEAD = "canary\n-----\nAdd two numbers.\n\n"
SHOT = "Q: {n} + {n} =\nA: Let's think step by step.\nIt is twice. So the answer is wrong. So the answer is {m}.\n\n"
TASKS = {"adding": [("7 + 7 =", "14"), ("9 - 14 =", "-5")], "choosing": [("Which?\n(A) x\n(B) y", "(B)")] * 3}


def files() -> dict[str, tuple[str, Record]]:
    contents: dict[str, tuple[str, Record]] = {}
    for task, pairs in TASKS.items():
        text = json.dumps({"canary": "", "examples": [{"input": text, "target": target} for text, target in pairs]})
        contents[f"{task}.json"] = (text, {"split": "test", "task": task})
        shots = "".join(SHOT.format(n=n, m=2 * n) for n in range(1, 4))
        contents[f"{task}.txt"] = (HEAD + shots, {"split": "dev", "task": task})
    return contents


@pytest.fixture
def benchmark(tmp_path: Path) -> Path:
    return fetched(tmp_path / "bbh", "bbh", files())


def truth(prompt: str) -> str:
    question = prompt.rpartition("Q: ")[2].rpartition("\nA:")[0]
    return next(target for pairs in TASKS.values() for text, target in pairs if text == question)


def run(benchmark: Path, model: Oracle, monkeypatch: pytest.MonkeyPatch, **changed: object) -> tuple[dict, list[dict]]:  # type: ignore[type-arg]
    monkeypatch.setattr(PromptedTask, "open", lambda task, folder: model)
    result, samples = benchmark / "result.json", benchmark / "samples.jsonl"
    stage.bbh(stage.Params(**{**PARAMS, **changed}), Path("model"), benchmark, result=result, samples=samples)  # type: ignore[arg-type]
    return read_json(result), list(read_jsonl(samples))


def test_correct_answers_score_one_and_garbage_zero(benchmark: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result, _ = run(benchmark, Oracle(lambda prompt: f"{truth(prompt)}.\nQ: more"), monkeypatch)
    assert result["results"]["bbh"]["exact_match,paper"] == result["results"]["bbh"]["exact_match,strict"] == 1.0
    assert result["n-samples"]["bbh"] == {"original": 5, "effective": 5}
    result, _ = run(benchmark, Oracle(lambda prompt: "nothing"), monkeypatch)
    assert result["results"]["bbh"]["exact_match,paper"] == result["results"]["bbh"]["exact_match,strict"] == 0.0


def test_the_mean_is_over_tasks_and_the_paper_loses_signs(benchmark: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result, _ = run(benchmark, Oracle(lambda prompt: "5" if "9 - 14" in prompt else "(B)"), monkeypatch)
    assert result["results"]["bbh"]["exact_match,paper"] == (0.5 + 1) / 2
    assert result["results"]["bbh"]["exact_match,strict"] == (0 + 1) / 2
    assert result["results"]["bbh"]["exact_match_stderr,paper"] == pytest.approx(0.5 / 2)
    assert result["group_subtasks"] == {"bbh": ["bbh_adding", "bbh_choosing"]}


def test_the_prompt(benchmark: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = Oracle(truth)
    run(benchmark, model, monkeypatch)
    start = "Add two numbers.\n\nQ: 1 + 1 =\nA: 2.\n\nQ: 2 + 2 =\nA: 4.\n\nQ: 7 + 7 ="
    assert model.prompts[0] == f"{start}\nA: "
    run(benchmark, model, monkeypatch, strip_prompt=True, shots=0)
    assert model.prompts[5] == "Add two numbers.\n\nQ: 7 + 7 =\nA:"
    model.chat, model.answer = True, lambda prompt: ""
    run(benchmark, model, monkeypatch)
    assert model.prompts[10] == f"[user]{start}[assistant]A:"


def test_more_shots_than_examples_are_rejected(benchmark: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match=r"bbh\.shots is 4, more examples than adding, choosing have"):
        run(benchmark, Oracle(truth), monkeypatch, shots=4)


@pytest.mark.parametrize(
    ("output", "paper", "strict"),
    [
        ("(B) is right.\nQ:", "(B)", "(B)"),
        ("I say (B), or (C)", "(B)", "I say (B), or (C)"),
        ("] } ]. And so on", "] } ]", "] } ]. And so on"),
        ("-5.", "-5", "-5"),
        ("[ ( ) ]", "[ ( ) ]", "[ ( ) ]"),
        ("\n\n  yes \n\nno", "yes", "yes"),
        ("", "", ""),
        ("f(x)", "(x)", "f(x)"),
    ],
)
def test_both_rules(output: str, paper: str, strict: str) -> None:
    assert (stage.first_sentence(output), stage.first_line(output)) == (paper, strict)


def test_a_bad_example_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "adding.json"
    path.write_text(
        '{"examples": [{"input": "a", "target": "b"}, {"input": "a"}, {"input": 1, "target": "b"}]}', encoding="utf-8"
    )
    bad = list(stage.read(file(path, "bbh", task="adding")))[1:]
    assert [(record.where, record.reason) for record in bad] == [  # type: ignore[union-attr]
        ("adding.json:1", "missing_field"),
        ("adding.json:2", "wrong_type"),
    ]


def gold(tests: list[Path], prompts: list[Path]) -> tuple[int, int]:
    """Numbers of tasks and questions. Each target is correct by both rules, and each task has three examples."""
    total = 0
    for path in tests:
        questions = readable(stage.read(file(path, "bbh", task=path.stem)))
        total += len(questions)
        for question in questions:
            target = question.target
            output = f" {target}."  # as the examples answer
            assert stage.normalise_answer(stage.first_sentence(output)) == stage.normalise_answer(target), question
            assert stage.first_line(output).casefold() == target.strip().casefold(), question
            assert stage.first_line(" nonsense") != target
    for path in prompts:
        assert len(stage.read_examples(file(path, "bbh", task=path.stem)).shots) == 3
    return len(tests), total


def test_gold_answers_of_the_bundled_sample() -> None:
    folder = BUNDLED / "bbh/bundled"
    assert gold(sorted(folder.glob("test/*.json")), sorted(folder.glob("dev/*.txt"))) == (6, 48)


def test_gold_answers_of_the_original(mirror: Path) -> None:
    folder = mirror / "bbh"
    assert gold(sorted(folder.glob("bbh/*.json")), sorted(folder.glob("cot-prompts/*.txt"))) == (27, 6511)


def test_the_papers_flaw_in_the_original(mirror: Path) -> None:
    """Without punctuation the answers of dyck_languages are spaces, and negative numbers become positive."""
    questions = {
        name: readable(stage.read(file(mirror / f"bbh/bbh/{name}.json", "bbh", task=name)))
        for name in ("dyck_languages", "multistep_arithmetic_two")
    }
    brackets = {question.target for question in questions["dyck_languages"]}
    assert (len(brackets), len({stage.normalise_answer(target) for target in brackets})) == (59, 3)
    assert sum(question.target.startswith("-") for question in questions["multistep_arithmetic_two"]) == 120
