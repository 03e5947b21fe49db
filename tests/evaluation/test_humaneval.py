import gzip
import json
import logging
from pathlib import Path

import pytest

from lemur import sandbox
from lemur.core.records import read_json, read_jsonl
from lemur.evaluation import humaneval as stage
from lemur.evaluation.harness.sample import Verdict
from lemur.evaluation.kinds.code_blocks import in_open_block, without_fence
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


BLOCK = "```"
WHOLE = (
    "from math import floor\n\n\ndef add(a, b):\n    return helper(a) + b\n\n\ndef helper(x):\n    return floor(x)\n"
)
BODIES = (
    "    return a + b\n",
    "return a + b\n",
    "c = a + b\n    return c\n",
    "c = a\nif c:\n    c += b\n    return c\nreturn b\n",
)


@needs_sandbox
@pytest.mark.parametrize("strip", [False, True])
def test_strict_loses_nothing_of_an_answer_in_a_code_block(
    benchmark: Path, monkeypatch: pytest.MonkeyPatch, strip: bool
) -> None:
    codes = [WHOLE, "def add(a, b):\n    return a + b\n\n\nprint(add(1, 2))\n", *BODIES]
    monkeypatch.setitem(globals(), "PROBLEMS", PROBLEMS[:1])
    answers = [
        f"{before}{BLOCK}{word}\n{code}{after}"
        for code in codes
        for before, word, after in (
            ("", "python", f"{BLOCK}\nThis adds.\n\nprint()"),
            ("", "", f"{BLOCK}\n"),
            ("\n\n", "py", BLOCK),
            ("Here is the function `add(a, b)`:\n\n", "python", f"{BLOCK}\n\n{BLOCK}\n3\n{BLOCK}"),
            ("Sure!\n", "", BLOCK),
            ("", "Python", ""),  # never closed
        )
    ]
    for text in answers:
        result, samples = run(benchmark, Oracle(lambda prompt, text=text: text), monkeypatch, strip_prompt=strip)  # type: ignore[misc]
        assert samples[0]["correct"]["strict"], samples[0]
        assert not samples[1]["correct"]["strict"] and result["counts"]["humaneval"]["unanswered"] == 0


def test_a_stop_string_within_a_code_block_ends_only_the_papers_answer(
    benchmark: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = Oracle(lambda prompt: f"{BLOCK}python\n{WHOLE}{BLOCK}\n\n# Test\n")
    monkeypatch.setattr(sandbox, "why_unavailable", lambda: None)
    monkeypatch.setattr(stage.HumanEval, "run_all", lambda task, programs: [Verdict("failed", "")] * len(programs))
    _, samples = run(benchmark, model, monkeypatch)
    assert samples[0]["extraction"] == {"paper": "", "strict": "\n" + WHOLE} and len(model.prompts) == 6
    _, samples = run(benchmark, model, monkeypatch, stop=["\ndef"])
    assert samples[0]["output"] == f"{BLOCK}python\nfrom math import floor\n\n"  # as the user wants it
    model = Oracle(lambda prompt: f"    return 1\n{BLOCK}\nThis is it.\n\n# Test")
    _, samples = run(benchmark, model, monkeypatch)
    assert len(model.prompts) == 3 and samples[0]["extraction"]["strict"] == "    return 1\n"


def test_imports_and_helpers_of_the_prompt_stay() -> None:
    prompt = 'import math\n\ndef half(x):\n    return x / 2\n\n\ndef f(x):\n    """Round."""\n'
    problem = stage.Problem("", "x", prompt, "f", "test", "")
    code = "def f(x):\n    return math.floor(half(x))\n"
    assert stage.complete(problem, code) == f"{prompt.partition('def f')[0]}{code.strip()}\ntest\ncheck(f)"
    body = "    def f(x):\n        return x\n    return f(x)\n"
    assert stage.complete(problem, body) == f"{prompt}{body}\ntest\ncheck(f)"


def test_a_body_takes_the_prompts_indentation() -> None:
    problem = stage.Problem("", "x", 'def f(x):\n  """Half."""\n', "f", "test", "")
    assert stage.extract_code(f"{BLOCK}\nif x:\n  return 1\nreturn 2\n{BLOCK}", problem) == (
        "\n  if x:\n    return 1\n  return 2\n"
    )


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (f"    x = f(1)\n    return x\n{BLOCK}\nSo:\n{BLOCK}python\nf(2)\n{BLOCK}", "    x = f(1)\n    return x\n"),
        (f"def f():\n    return 1\n{BLOCK}\nIt is 1.", "def f():\n    return 1\n"),
        (f"{BLOCK}\nreturn 1\n{BLOCK}\n", "\nreturn 1\n"),
        (f"{BLOCK}`python\nx = QQ\n{BLOCK}\nQQ\n{BLOCK}`\nDone", f"\nx = QQ\n{BLOCK}\nQQ\n"),
        ("~~~ python\r\nreturn 1\r\n~~~", "\nreturn 1\r\n"),
        (f"{BLOCK}python", ""),
        ("", ""),
    ],
)  # fmt: skip
def test_what_is_code(answer: str, code: str) -> None:
    assert without_fence(answer) == code


def test_open_blocks() -> None:
    assert in_open_block(f"{BLOCK}python\ndef f():") and in_open_block(f"Here:\n{BLOCK}\nx = 1")
    assert not in_open_block(f"{BLOCK}python\nx\n{BLOCK}\nprose") and not in_open_block(f"    return 1\n{BLOCK}\nprose")


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
