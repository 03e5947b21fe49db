import json
from pathlib import Path

import pytest

from lemur import sandbox
from lemur.core.records import read_json, read_jsonl
from lemur.evaluation import mbpp as stage
from lemur.evaluation.kinds.prompted import PromptedTask
from lemur.sources.reading.rows import readable
from tests.evaluation.conftest import ASK_FOR_PROGRAMS, BUNDLED, Oracle, fetched, file

PARAMS = ASK_FOR_PROGRAMS | {"shots": 1, "max_new_tokens": 64, "timeout": 3, "memory": 256}
PROBLEMS = [
    (2, "Double it.", "def double(x):\r\n    return 2 * x", ["assert double(2) == 4"], ""),
    (3, "Halve it.", "def half(x):\n    return x / 2", ["assert half(4) == 2"], ""),
    (4, "Name it.", "def name():\n    return 'x'", ["assert name() == 'x'"], ""),
    (11, "Add them.", "def add(a, b):\n    return a + b", ["assert add(1, 2) == 3", "assert add(0, 0) == 0"], ""),
    (
        12,
        "Size it.",
        "class Box:\n    size = 3\n\ndef size(b):\n    return b.size",
        ["assert size(b) == 3"],
        "b = Box()",
    ),
    (511, "Not in the test split.", "x = 1", ["assert x"], ""),
]
needs_sandbox = pytest.mark.skipif(not sandbox.available(), reason=str(sandbox.why_unavailable()))


def line(number: int, text: str, code: str, tests: list[str], setup: str) -> str:
    record = {"task_id": number, "text": text, "code": code, "test_list": tests, "test_setup_code": setup}
    return json.dumps(record) + "\n"


@pytest.fixture
def benchmark(tmp_path: Path) -> Path:
    return fetched(tmp_path / "mbpp", "mbpp", {"mbpp.jsonl": ("".join(line(*each) for each in PROBLEMS), {})})


def solve(prompt: str) -> str:
    request = prompt.rpartition("here is your task: ")[2]
    return "\n" + next(code for _, text, code, _, _ in PROBLEMS if request.startswith(text)) + "\n[DONE]\nYou are"


def run(benchmark: Path, model: Oracle, monkeypatch: pytest.MonkeyPatch, **changed: object) -> tuple[dict, list[dict]]:  # type: ignore[type-arg]
    monkeypatch.setattr(PromptedTask, "open", lambda task, folder: model)
    result, samples = benchmark / "result.json", benchmark / "samples.jsonl"
    stage.mbpp(stage.Params(**{**PARAMS, **changed}), Path("model"), benchmark, result=result, samples=samples)  # type: ignore[arg-type]
    return read_json(result), list(read_jsonl(samples))


@needs_sandbox
def test_solutions_pass_and_garbage_fails(benchmark: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result, samples = run(benchmark, Oracle(solve), monkeypatch)
    assert result["results"]["mbpp"]["pass@1,strict"] == 1.0
    assert result["results"]["mbpp"]["pass@1,paper"] == 0.5  # the paper's script omits the code that defines `b`
    assert [sample["id"] for sample in samples] == ["11", "12"]
    assert samples[0]["extraction"] == PROBLEMS[3][2]
    result, _ = run(benchmark, Oracle(lambda prompt: "pass"), monkeypatch)
    assert result["results"]["mbpp"]["pass@1,strict"] == result["results"]["mbpp"]["pass@1,paper"] == 0.0


@needs_sandbox
def test_exit_status_zero_does_not_pass(benchmark: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result, _ = run(benchmark, Oracle(lambda prompt: "import os\nos._exit(0)"), monkeypatch)
    assert result["results"]["mbpp"]["pass@1,strict"] == 0.0


@needs_sandbox
def test_the_prompt(benchmark: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = Oracle(lambda prompt: "")
    run(benchmark, model, monkeypatch)
    task = "You are an expert Python programmer, and here is your task: "
    assert model.prompts[0] == (
        f"{task}Double it. Your code should pass these tests:\n\nassert double(2) == 4\n[BEGIN]\n"
        "def double(x):\r\n    return 2 * x\n[DONE]\n"
        f"{task}Add them. Your code should pass these tests:\n\nassert add(1, 2) == 3\nassert add(0, 0) == 0\n[BEGIN]"
    )
    model.chat = True
    run(benchmark, model, monkeypatch)
    instruction = "Your code should start with a [PYTHON] tag and end with a [/PYTHON] tag."
    assert model.prompts[2] == (
        f"[user]{task}Double it.\nYour code should pass these tests:\n\nassert double(2) == 4\n{instruction}"
        "[assistant][PYTHON]\ndef double(x):\r\n    return 2 * x\n[/PYTHON]"
        f"[user]{task}Add them.\nYour code should pass these tests:\n\nassert add(1, 2) == 3\nassert add(0, 0) == 0\n"
        f"{instruction}[assistant][PYTHON]"
    )


def test_without_a_sandbox_the_benchmark_is_skipped(benchmark: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "why_unavailable", lambda: "no sandbox works on this machine")
    result, samples = run(benchmark, Oracle(solve), monkeypatch)
    assert result["results"] == {"mbpp": {"skipped": "no sandbox works on this machine"}} and samples == []


def test_more_shots_than_examples_are_rejected() -> None:
    with pytest.raises(ValueError, match="less than or equal to 3"):
        stage.Params(**{**PARAMS, "shots": 4})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{\n", "not_json"),
        ("{}\n", "missing_field"),
        (line(1, "a", "b", [], ""), "wrong_type"),
        (line(1, "a", "b", ["assert 1"], "").replace("1,", '"one",', 1), "wrong_type"),
    ],
)
def test_a_bad_line_is_reported(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "mbpp.jsonl"
    path.write_text(line(*PROBLEMS[0]) + text, encoding="utf-8")
    bad = list(stage.read(file(path, "mbpp")))[1]
    assert (bad.where, bad.reason) == ("mbpp.jsonl:2", reason)  # type: ignore[union-attr]


def failing(path: Path, rule: str) -> tuple[int, list[int]]:
    """The number of problems in the test split, and those whose own solution fails."""
    problems = [problem for problem in readable(stage.read(file(path, "mbpp"))) if problem.task_id in stage.TEST]
    results = sandbox.run_python_programs(
        [problem.program(problem.code.strip(), rule) for problem in problems], timeout_s=10, memory_mb=512
    )
    failed = [problem.task_id for problem, result in zip(problems, results, strict=True) if result.status != "passed"]
    return len(problems), failed


@needs_sandbox
def test_gold_solutions_of_the_bundled_sample() -> None:
    path = BUNDLED / "mbpp/bundled/mbpp.jsonl"
    assert failing(path, "strict") == (9, []) and failing(path, "paper") == (9, [19])


@needs_sandbox
@pytest.mark.slow
def test_gold_solutions_of_the_original(mirror: Path) -> None:
    path = mirror / "mbpp/mbpp.jsonl"
    assert failing(path, "strict") == (500, [])
    assert failing(path, "paper") == (500, [367])  # its tests use a tree from the set-up code


@needs_sandbox
@pytest.mark.parametrize("before", ["", "Here it is:\n", "\n"])
def test_strict_loses_nothing_of_a_code_block(benchmark: Path, monkeypatch: pytest.MonkeyPatch, before: str) -> None:
    answer = f"{before}```python\ndef add(a, b):\n    return a + b\n```\nIt adds.\n[DONE]"
    _, samples = run(benchmark, Oracle(lambda prompt: answer), monkeypatch)
    assert samples[0]["correct"] == {"paper": False, "strict": True}
    assert samples[0]["extraction"] == "def add(a, b):\n    return a + b"
