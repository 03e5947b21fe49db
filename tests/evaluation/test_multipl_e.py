import json
from pathlib import Path

import pytest

from lemur import sandbox
from lemur.core.records import read_json, read_jsonl
from lemur.evaluation import multipl_e as stage
from lemur.evaluation.judging import languages
from lemur.evaluation.kinds.prompted import PromptedTask
from lemur.sources.reading.rows import readable
from tests.evaluation.additions import ADDITION, PROBLEM
from tests.evaluation.conftest import ASK_FOR_PROGRAMS, BUNDLED, Oracle, fetched, file

PARAMS = ASK_FOR_PROGRAMS | {"languages": ["sh"], "max_new_tokens": 64, "timeout": 30, "memory": 4096}
OWN = BUNDLED / "multipl_e/bundled/humaneval-sh.jsonl"
SOLUTIONS = {record["prompt"].strip(): record["canonical_solution"] for record in read_jsonl(OWN)}
QUICK = ("js", "lua", "php", "pl", "rb", "sh")
needs_sandbox = pytest.mark.skipif(not sandbox.available(), reason=str(sandbox.why_unavailable()))


@pytest.fixture
def benchmark(tmp_path: Path) -> Path:
    name = "humaneval-sh.jsonl"
    return fetched(
        tmp_path / "multipl_e",
        "multipl_e",
        {name: (OWN.read_text(encoding="utf-8"), {"language": "sh", "sample": True})},
    )


def solve(prompt: str) -> str:
    return "\n" + SOLUTIONS[prompt] + "\n}\n\nmore() {"


def run(benchmark: Path, model: Oracle, monkeypatch: pytest.MonkeyPatch, **changed: object) -> tuple[dict, list[dict]]:  # type: ignore[type-arg]
    monkeypatch.setattr(PromptedTask, "open", lambda task, folder: model)
    result, samples = benchmark / "result.json", benchmark / "samples.jsonl"
    stage.multipl_e(stage.Params(**{**PARAMS, **changed}), Path("model"), benchmark, result=result, samples=samples)  # type: ignore[arg-type]
    return read_json(result), list(read_jsonl(samples))


def is_runnable(name: str) -> bool:
    return languages.why_missing(name, timeout_s=30, memory_mb=4096) is None


needs_bash = pytest.mark.skipif(
    not (sandbox.available() and is_runnable("sh")), reason="Bash programs cannot start processes in this sandbox"
)


@needs_bash
def test_solutions_pass_and_garbage_fails(benchmark: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result, samples = run(benchmark, Oracle(solve), monkeypatch)
    assert result["results"]["multipl_e"]["pass@1,none"] == result["results"]["multipl_e_sh"]["pass@1,none"] == 1.0
    assert result["n-samples"]["multipl_e"] == {"original": 6, "effective": 6} and len(samples) == 6
    assert samples[0]["id"] == "sh/Own_0_add" and "program" not in samples[0]
    result, _ = run(benchmark, Oracle(lambda prompt: "\n    true"), monkeypatch)
    assert result["results"]["multipl_e"]["pass@1,none"] == 0.0


@needs_bash
def test_the_result_records_the_stop_strings(benchmark: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for stop, recorded in ((None, ["\n}"]), (["fi"], ["fi"])):
        result, _ = run(benchmark, Oracle(solve), monkeypatch, limit=1, stop=stop)
        assert result["configs"]["multipl_e"]["stop"] == {"sh": recorded}


@needs_bash
def test_a_language_without_its_toolchain_is_skipped(benchmark: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(languages, "FOLDERS", "/bin:/nowhere")
    name = "humaneval-jl.jsonl"
    (benchmark / "files" / name).write_text(OWN.read_text(encoding="utf-8"), encoding="utf-8")
    entries = read_json(benchmark / "source.json")
    entries["files"].append({**entries["files"][0], "path": name, "meta": {"language": "jl"}})
    (benchmark / "source.json").write_text(json.dumps(entries), encoding="utf-8")
    result, samples = run(benchmark, Oracle(solve), monkeypatch, languages=["sh", "jl"])
    assert "julia is not installed" in result["results"]["multipl_e_jl"]["skipped"]
    assert result["results"]["multipl_e"]["pass@1,none"] == 1.0 and len(samples) == 6
    result, samples = run(benchmark, Oracle(solve), monkeypatch, languages=["jl"])
    assert "julia is not installed" in result["results"]["multipl_e"]["skipped"] and samples == []


def test_a_benchmark_without_its_source_is_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "why_unavailable", lambda: None)
    result, _ = run(fetched(tmp_path / "multipl_e", "multipl_e", {}), Oracle(solve), monkeypatch)
    assert "left out" in result["results"]["multipl_e"]["skipped"]


@needs_bash
def test_the_prompt(benchmark: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = Oracle(lambda prompt: "")
    run(benchmark, model, monkeypatch)
    start = (
        '#!/bin/bash\n# Add two whole numbers.\n# >>> $(add "2" "3")\n# "5"\n#\n'
        "# $1 is an integer\n# $2 is an integer\nadd() {"
    )
    assert model.prompts[0] == start
    model.chat = True
    run(benchmark, model, monkeypatch)
    assert model.prompts[6] == (
        f"[user]Complete the following Bash function.\n\n\n{start}"
        f"[assistant]Here is the completed function:\n\n\n{start}"
    )


def test_an_unknown_language_is_rejected() -> None:
    with pytest.raises(ValueError, match="unknown languages cobol; allowed are cpp, cs"):
        stage.Params(**{**PARAMS, "languages": ["cobol"]})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "not_json"),
        ("{}", "missing_field"),
        ('{"name": 1, "prompt": "", "tests": "", "stop_tokens": []}', "wrong_type"),
    ],
)
def test_a_bad_line_is_reported(tmp_path: Path, line: str, reason: str) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text(OWN.read_text(encoding="utf-8").splitlines()[0] + "\n" + line, encoding="utf-8")
    bad = list(stage.read(file(path, "multipl_e", language="sh")))[1]
    assert (bad.where, bad.reason) == ("x.jsonl:2", reason)  # type: ignore[union-attr]


def test_both_file_formats_are_readable(tmp_path: Path) -> None:
    """HumanEval's Python file uses other field names; some problems of other languages have some of these too."""
    record = next(read_jsonl(OWN))
    path = tmp_path / "x.jsonl"
    path.write_text(json.dumps({**record, "task_id": "x/0", "test": "other"}), encoding="utf-8")
    (problem,) = readable(stage.read(file(path, "multipl_e", language="sh")))
    assert (problem.name, problem.tests, problem.stop) == (record["name"], record["tests"], ("\n}",))
    path.write_text(json.dumps({"task_id": "Python/0", "prompt": "def f():", "test": "assert f()"}), encoding="utf-8")
    (problem,) = readable(stage.read(file(path, "multipl_e", language="python")))
    assert (problem.name, problem.prompt, problem.tests) == ("Python/0", "def f():", "assert f()")


def judge(name: str, program: str) -> str:
    return languages.run(name, [program], timeout_s=30, memory_mb=4096)[0].status


@needs_sandbox
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in languages.LANGUAGES]
)
def test_a_correct_program_passes_and_a_wrong_one_fails(name: str) -> None:
    if reason := languages.why_missing(name, timeout_s=30, memory_mb=4096):
        pytest.skip(reason)
    example = languages.LANGUAGES[name].example
    assert judge(name, example.replace("+", "-", 1)) == "failed"
    assert judge(name, example.replace("+", "+ )", 1)) == "failed"


@needs_sandbox
@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(ADDITION))
def test_a_problem_of_the_original(name: str, mirror: Path) -> None:
    """All problems are readable. A correct completion passes the original tests; a wrong and an empty one fail."""
    problems = readable(stage.read(file(mirror / f"multipl_e/humaneval-{name}.jsonl", "multipl_e", language=name)))
    assert 154 <= len(problems) <= 161 and len({problem.stop for problem in problems}) == 1
    problem = next(problem for problem in problems if problem.name.startswith(PROBLEM))
    assert not any(stop in ADDITION[name] for stop in problem.stop)
    if reason := languages.why_missing(name, timeout_s=30, memory_mb=4096):
        pytest.skip(reason)
    assert judge(name, problem.program(ADDITION[name])) == "passed"
    assert judge(name, problem.program(ADDITION[name].replace("+", "-"))) == "failed"
    assert judge(name, problem.program("")) == "failed"


@needs_bash
def test_endless_programs_and_the_network_are_contained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox.second_run, "RETRY_FACTOR", 2)
    endless = "while :; do :; done"
    programs = [endless, "echo $(( 1 + 1 ))", f"({endless}) || exit 1"]  # in the last a child gets the signal
    runs = languages.run("sh", programs, timeout_s=1, memory_mb=256)
    assert [run.status for run in runs] == ["timed_out", "passed", "timed_out"]
    assert judge("sh", "echo x > /dev/tcp/127.0.0.1/22") == "failed"
    assert judge("sh", "set -e; echo x > /usr/x") == "failed"


@needs_bash
@pytest.mark.parametrize("word", ["bash", ""])
@pytest.mark.parametrize("whole", [True, False])
def test_nothing_is_lost_of_a_code_block(
    benchmark: Path, monkeypatch: pytest.MonkeyPatch, word: str, whole: bool
) -> None:
    def answer(prompt: str) -> str:
        body = f"{SOLUTIONS[prompt]}\n}}\n"
        return f"```{word}\n{prompt}\n{body}```\nIt adds." if whole else f"Here is the body:\n```{word}\n{body}```"

    result, samples = run(benchmark, Oracle(answer), monkeypatch)
    assert result["results"]["multipl_e"]["pass@1,none"] == 1.0, samples
