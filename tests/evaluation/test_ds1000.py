import gzip
import json
import sys
from pathlib import Path

import pytest

from lemur import sandbox
from lemur.core.files import ROOT
from lemur.core.records import read_json, read_jsonl
from lemur.evaluation import ds1000 as stage
from lemur.evaluation.judging import library_environment
from lemur.evaluation.kinds.prompted import PromptedTask
from lemur.sources.fetched import BadRecord
from lemur.sources.reading.rows import readable
from tests.evaluation.conftest import ASK_FOR_PROGRAMS, BUNDLED, Oracle, fetched, file

PARAMS = ASK_FOR_PROGRAMS | {"max_new_tokens": 64, "timeout": 60, "memory": 4096}
OWN = BUNDLED / "ds1000/bundled/ds1000.jsonl"
LOCK = ROOT / "requirements/ds1000.txt"
REFERENCES = {record["prompt"]: record["reference_code"] for record in read_jsonl(OWN)}


@pytest.fixture
def benchmark(tmp_path: Path) -> Path:
    return fetched(tmp_path / "ds1000", "ds1000", {"ds1000.jsonl": (OWN.read_text(encoding="utf-8"), {"sample": True})})


@pytest.fixture
def tests_environment(monkeypatch: pytest.MonkeyPatch) -> library_environment.Environment:
    """The environment of the tests, which has NumPy and pandas too."""
    if sys.prefix == sys.base_prefix:
        pytest.skip("the tests do not run in a virtual environment")
    environment = library_environment.open_environment(Path(sys.prefix))
    if not sandbox.available() or environment.why_broken():
        pytest.skip("this sandbox cannot run libraries of a virtual environment")
    monkeypatch.setattr(stage, "find_environment", lambda requirements: environment)
    return environment


def run(benchmark: Path, model: Oracle, monkeypatch: pytest.MonkeyPatch, **changed: object) -> tuple[dict, list[dict]]:  # type: ignore[type-arg]
    monkeypatch.setattr(PromptedTask, "open", lambda task, folder: model)
    result, samples = benchmark / "result.json", benchmark / "samples.jsonl"
    params = stage.Params(**{**PARAMS, **changed})  # type: ignore[arg-type]
    stage.ds1000(params, Path("model"), benchmark, LOCK, result=result, samples=samples)
    return read_json(result), list(read_jsonl(samples))


@pytest.mark.usefixtures("tests_environment")
def test_references_pass_and_garbage_fails(benchmark: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result, samples = run(benchmark, Oracle(lambda prompt: REFERENCES[prompt] + "\n</code>"), monkeypatch)
    assert result["results"]["ds1000"]["pass@1,none"] == 1.0, [sample["verdict"] for sample in samples]
    assert result["group_subtasks"] == {"ds1000": ["ds1000_Numpy", "ds1000_Pandas"]}
    assert result["configs"]["ds1000"]["data"]["sample"] is True
    result, _ = run(benchmark, Oracle(lambda prompt: "result = 1"), monkeypatch)
    assert result["results"]["ds1000"]["pass@1,none"] == 0.0


@pytest.mark.usefixtures("tests_environment")
def test_cheats_and_forbidden_words_fail(benchmark: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result, _ = run(benchmark, Oracle(lambda prompt: "import os\nos._exit(0)"), monkeypatch)
    assert result["results"]["ds1000"]["pass@1,none"] == 0.0
    loop = "for result in [np.unravel_index(a.argmax(), a.shape)]: pass"
    _, samples = run(benchmark, Oracle(lambda prompt: loop), monkeypatch)
    assert not samples[1]["correct"]["none"]  # the result is correct, but test_string rejects a loop


def test_without_its_libraries_it_is_skipped(benchmark: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(library_environment, "ROOT", tmp_path)
    monkeypatch.setattr(sandbox, "why_unavailable", lambda: None)
    result, samples = run(benchmark, Oracle(str), monkeypatch)
    assert result["results"]["ds1000"] == {"skipped": "its libraries are not installed (make ds1000)"}
    assert samples == []
    (tmp_path / ".venv-ds1000").mkdir()
    (tmp_path / ".venv-ds1000/pyvenv.cfg").write_text("home = /usr/bin\n", encoding="utf-8")
    result, _ = run(benchmark, Oracle(str), monkeypatch)
    assert "not those of ds1000.txt: absl-py" in result["results"]["ds1000"]["skipped"]


def test_the_prompt() -> None:
    problem = readable(stage.read(file(OWN, "ds1000")))[0]
    assert stage.prompt(Oracle(str), problem, in_chat=False) == problem.prompt
    prompt = stage.prompt(Oracle(str), problem, in_chat=True)
    assert prompt.startswith("[user]Write a short code following") and prompt.endswith("<code>\n[assistant]<code>\n")


@pytest.mark.parametrize(
    ("output", "code"),
    [
        ("result = 1\n</code>\nmore", "result = 1\n"),
        ("```python\nx = 1\n```\nDone", "\nx = 1\n"),
        ("```\nx = 1\n```\nDone", "\nx = 1\n"),
        ("Here is the code:\n```\nx = 1\n```", "\nx = 1\n"),
        ("Here is the code:\n```py\nx = 1\n```", "\nx = 1\n"),
        ("x = 1\n```\nDone", "x = 1\n"),
        ("x = 1\n```python\ny = 2\n```", "x = 1\n\ny = 2\n"),
        ("<code>x", "x"),
        ("", ""),
    ],
)
def test_extraction(output: str, code: str) -> None:
    assert stage.extract_code(output) == code


def test_a_gzipped_file_and_a_bad_line(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"prompt": "x"}\n{'))
    bad = list(stage.read(file(path, "ds1000")))
    assert [(row.where, row.reason) for row in bad] == [("x.jsonl.gz:1", "missing_field"), ("x.jsonl.gz:2", "not_json")]  # type: ignore[union-attr]


def test_a_number_that_is_not_one_is_a_wrong_type(tmp_path: Path) -> None:
    record = next(read_jsonl(OWN))
    record["metadata"]["problem_id"] = "first"
    path = tmp_path / "x.jsonl"
    path.write_text(json.dumps(record), encoding="utf-8")
    (bad,) = stage.read(file(path, "ds1000"))
    assert isinstance(bad, BadRecord)
    assert (bad.where, bad.reason) == ("x.jsonl:1", "wrong_type") and "'first'" in bad.detail
