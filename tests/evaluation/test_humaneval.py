import gzip
import json
import logging
from pathlib import Path

import pytest

from lemur import sandbox
from lemur.core.records import read_json, read_jsonl
from lemur.evaluation import humaneval as stage
from lemur.evaluation.kinds.programs import without_fence
from lemur.evaluation.kinds.prompted import PromptedTask
from lemur.sources.reading.rows import readable
from tests.evaluation.conftest import ASK_FOR_PROGRAMS, Oracle, fetched, file

PARAMS = ASK_FOR_PROGRAMS | {"max_new_tokens": 64, "strip_prompt": False, "timeout": 3, "memory": 256}
PROBLEMS = [
    ("add", "def add(a, b):\n", "    return a + b\n", "assert candidate(1, 2) == 3"),
    (
        "shout",
        "def shout(text):\n",
        "    text = text.upper()\n    return text + '!'\n",
        "assert candidate('a') == 'A!'",
    ),
    (
        "push",
        "def push(items, item):\n",
        "    items.append(item)\n",
        "x = []\n    candidate(x, 1)\n    assert x == [1]",
    ),
]
needs_sandbox = pytest.mark.skipif(not sandbox.available(), reason=str(sandbox.why_unavailable()))


@pytest.fixture
def benchmark(tmp_path: Path) -> Path:
    text = "".join(
        json.dumps(
            {
                "task_id": f"Own/{n}",
                "prompt": prompt,
                "entry_point": name,
                "canonical_solution": solution,
                "test": f"def check(candidate):\n    {test}\n",
            }
        )
        + "\n"
        for n, (name, prompt, solution, test) in enumerate(PROBLEMS)
    )
    return fetched(tmp_path / "humaneval", "humaneval", {"own.jsonl": (text, {})})


def solve(prompt: str) -> str:
    return next(solution for _, start, solution, _ in PROBLEMS if prompt.endswith(start))


def run(benchmark: Path, model: Oracle, monkeypatch: pytest.MonkeyPatch, **changed: object) -> tuple[dict, list[dict]]:  # type: ignore[type-arg]
    monkeypatch.setattr(PromptedTask, "open", lambda task, folder: model)
    result, samples = benchmark / "result.json", benchmark / "samples.jsonl"
    stage.humaneval(stage.Params(**{**PARAMS, **changed}), Path("model"), benchmark, result=result, samples=samples)  # type: ignore[arg-type]
    return read_json(result), list(read_jsonl(samples))


@needs_sandbox
def test_solutions_pass_and_garbage_fails(benchmark: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result, samples = run(benchmark, Oracle(solve), monkeypatch)
    scores = result["results"]["humaneval"]
    assert scores["pass@1,strict"] == 1.0
    assert scores["pass@1,paper"] == pytest.approx(2 / 3)  # the paper's cut leaves nothing of a function without return
    assert [sample["verdict"]["paper"]["status"] for sample in samples] == ["passed", "passed", "failed"]
    result, _ = run(benchmark, Oracle(lambda prompt: "    pass\n"), monkeypatch)
    assert result["results"]["humaneval"]["pass@1,strict"] == result["results"]["humaneval"]["pass@1,paper"] == 0.0


@needs_sandbox
def test_the_model_writes_the_newline_after_a_stripped_prompt(benchmark: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = Oracle(lambda prompt: "\n" + solve(prompt + "\n"))
    result, samples = run(benchmark, model, monkeypatch, strip_prompt=True)
    assert samples[0]["prompt"] == "def add(a, b):" and result["results"]["humaneval"]["pass@1,strict"] == 1.0


@needs_sandbox
def test_cheats_fail(benchmark: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for cheat in (
        "    import os; os._exit(0)\n",
        "    print('passed'); raise SystemExit(0)\n",
        "    return None\nimport os\nos._exit(0)",
    ):
        result, _ = run(benchmark, Oracle(lambda prompt, code=cheat: code), monkeypatch)  # type: ignore[misc]
        assert result["results"]["humaneval"]["pass@1,strict"] == 0.0


@needs_sandbox
def test_a_slow_solution_passes_and_an_endless_one_is_logged(
    benchmark: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "lemur.sandbox.second_run")
    monkeypatch.setattr(sandbox.second_run, "RETRY_FACTOR", 2)
    slow = "    import time\n    while time.process_time() < 1.3: pass\n    return a + b"
    answers = {"add": slow, "shout": "    while True: pass\n", "push": "    items.append(item)\n"}
    model = Oracle(lambda prompt: next(code for name, code in answers.items() if f"def {name}(" in prompt))
    result, samples = run(benchmark, model, monkeypatch, timeout=1)
    statuses = [sample["verdict"]["strict"]["status"] for sample in samples]
    assert statuses == ["passed", "timed_out", "passed"] and result["counts"]["humaneval"]["timed_out"] == 1
    near, late = caplog.messages
    # Both rules keep the slow one, so it runs only once; the paper's rule leaves nothing of the endless one.
    assert near.endswith(": Own/0 paper") and late.endswith(": Own/1 strict")
    assert "1.3" not in (benchmark / "result.json").read_text(encoding="utf-8") and "cpu_s" not in str(samples)


@needs_sandbox
def test_pass_at_k_over_samples(benchmark: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = Oracle(lambda prompt: solve(prompt) if len(model.prompts) == 3 else "    pass\n")  # only the first round
    result, samples = run(benchmark, model, monkeypatch, samples=4, k=[1, 2], temperature=0.5)
    assert result["results"]["humaneval"]["pass@1,strict"] == 0.25
    assert result["results"]["humaneval"]["pass@2,strict"] == 0.5
    assert len(samples) == 12


def test_without_a_sandbox_the_benchmark_is_skipped(benchmark: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "why_unavailable", lambda: "no sandbox works on this machine")
    result, samples = run(benchmark, Oracle(solve), monkeypatch)
    assert result["results"] == {"humaneval": {"skipped": "no sandbox works on this machine"}} and samples == []


@pytest.mark.parametrize("changed", [{"samples": 2}, {"k": [2]}, {"k": [0]}, {"k": []}, {"timeout": 0}])
def test_impossible_parameters_are_rejected(changed: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"greedy|must be from 1|at least|greater"):
        stage.Params(**{**PARAMS, **changed})  # type: ignore[arg-type]


def test_the_prompts(benchmark: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    problem = readable(stage.read(file(benchmark / "files" / "own.jsonl", "humaneval")))[0]
    assert stage.prompt(Oracle(solve), problem, in_chat=False) == "def add(a, b):\n"
    assert stage.prompt(Oracle(solve), problem, in_chat=True) == (
        "[user]Complete the following python function.\n\n\ndef add(a, b):\n"
        "[assistant]Here is the completed function:\n\n\ndef add(a, b):\n"
    )


def test_the_papers_rule_cuts_after_the_last_return() -> None:
    assert stage.until_last_return("    x = 1\n    return x\n    junk") == "    x = 1\n    return x"
    assert (
        stage.until_last_return("    if x:\n        return 1\n    return 2\n\nprint()")
        == "    if x:\n        return 1\n    return 2"
    )
    assert stage.until_last_return("    x.append(1)") == ""
    assert stage.until_last_return("    return [\n        1,\n    ]") == "    return ["


def test_a_code_block_ends_the_completion() -> None:
    assert without_fence("    return 1\n```\nThis is it.") == "    return 1\n"
    assert without_fence("```\nThis") == ""
    assert without_fence("    return '```'\n") == "    return '```'\n"


def official() -> list[stage.Problem]:
    import os

    mirrored = Path(os.environ.get("LEMUR_MIRROR", "/nonexistent"), "humaneval", "HumanEval.jsonl.gz")
    fetched_files = sorted(Path(__file__).parents[2].glob("data/raw/humaneval/files/**/HumanEval.jsonl.gz"))
    for path in [mirrored, *fetched_files]:
        if path.is_file():
            return readable(stage.read(file(path, "humaneval")))
    pytest.skip("no HumanEval file: neither LEMUR_MIRROR nor data/raw/humaneval has one (dvc repro fetch@humaneval)")


@needs_sandbox
def test_all_canonical_solutions_pass() -> None:
    problems = official()
    assert len(problems) == 164
    programs = [problem.program(problem.canonical_solution) for problem in problems]
    results = sandbox.run_python_programs(programs, timeout_s=10, memory_mb=512)
    assert [(p.task_id, r.detail) for p, r in zip(problems, results, strict=True) if r.status != "passed"] == []


def test_a_gzipped_file_and_a_bad_line(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"task_id": "x"}\n{'))
    bad = list(stage.read(file(path, "humaneval")))
    assert [(row.where, row.reason) for row in bad] == [("x.jsonl.gz:1", "missing_field"), ("x.jsonl.gz:2", "not_json")]  # type: ignore[union-attr]
