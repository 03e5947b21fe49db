"""A stage starts, awaits and stops vLLM. For the real one: `make serve`, then `pytest -m serve`."""

import os
import shutil
import signal
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import tenacity

from lemur.core.records import read_json, read_jsonl, write_json
from lemur.inference import vllm_model
from lemur.inference.server_model import ServerError
from lemur.inference.text import TextCodec
from lemur.inference.vllm_model import VllmModel
from tests.evaluation.test_stages import benchmarks, model, without_identity  # noqa: F401
from tests.exact.evaluations import clone, command
from tests.processes import Build, running_in, until
from tests.tools import ROOT, Project

# A server that is still starting: like vLLM, it and its child ignore SIGTERM, and it never answers.
DEAF = "#!/bin/sh\ntrap '' TERM\nsleep 600 &\ntouch started\nwait\n"
STAGE = f"""
import signal, sys; sys.path.insert(0, {str(ROOT / "src")!r})
from pathlib import Path
from lemur.inference import vllm_model
from lemur.inference.text import TextCodec
signal.signal(signal.SIGINT, signal.SIG_DFL)  # as `lemur run` does
vllm_model.PYTHON, vllm_model.ROOT = Path("python"), Path.cwd()
vllm_model.VllmModel(TextCodec(Path(sys.argv[1]), bos=True), 128).start()
"""


def executable(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)
    return path


def test_a_server_ends_with_its_stage_whatever_ends_it(tokenizer_folder: Path, tmp_path: Path) -> None:
    stages = {}
    for number in (signal.SIGKILL, signal.SIGINT, signal.SIGTERM):
        folder = tmp_path / number.name
        executable(folder / "python", DEAF)
        project = Project(folder, {"PATH": f".:{os.environ['PATH']}"})
        stages[number] = Build(project, sys.executable, "-c", STAGE, str(tokenizer_folder))
    for number, stage in stages.items():
        until(lambda folder=stage.root: (folder / "started").exists(), seconds=100)
        os.kill(stage.process.pid, number)
        stage.finish(60)
    until(lambda: not running_in(tmp_path), seconds=30)


def test_a_server_that_fails_to_start_is_reported_with_the_end_of_its_log(
    tokenizer_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vllm_model, "ROOT", tmp_path)
    monkeypatch.setattr(
        vllm_model, "PYTHON", executable(tmp_path / "python", "#!/bin/sh\necho too little memory\nexit 3\n")
    )
    with pytest.raises(ServerError, match=r"did not start(.|\n)*too little memory"):
        VllmModel(TextCodec(tokenizer_folder, bos=True), 128).start()
    monkeypatch.setattr(vllm_model, "PYTHON", tmp_path / "absent")
    with pytest.raises(ServerError, match="make serve"):
        VllmModel(TextCodec(tokenizer_folder, bos=True), 128)


def test_a_server_that_never_answers_is_given_up_after_twenty_minutes(
    tokenizer_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]

    def sleep(seconds: float) -> None:
        clock[0] += seconds

    monkeypatch.setattr(tenacity, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    monkeypatch.setattr(tenacity.nap, "time", SimpleNamespace(sleep=sleep))
    monkeypatch.setattr(vllm_model, "ROOT", tmp_path)
    monkeypatch.setattr(vllm_model, "PYTHON", executable(tmp_path / "python", "#!/bin/sh\nexec sleep 600\n"))
    waiting = VllmModel(TextCodec(tokenizer_folder, bos=True), 128)
    monkeypatch.setattr(waiting, "_healthy", lambda: False)
    with pytest.raises(ServerError, match="did not start"):
        waiting.start()
    assert clock[0] == vllm_model.START_S
    assert not running_in(tmp_path)
    monkeypatch.setattr(waiting, "_healthy", lambda: clock[0] >= 2 * vllm_model.START_S - 1)
    waiting.start()
    waiting.close()


@pytest.mark.serve
@pytest.mark.timeout(3600)
def test_a_stage_scores_through_vllm_as_through_jax_and_leaves_no_process(
    model: Path,  # noqa: F811
    benchmarks: Path,  # noqa: F811
    tmp_path: Path,
) -> None:
    if not vllm_model.PYTHON.is_file():
        pytest.skip("vLLM is not installed; `make serve` does it")
    project = clone(tmp_path)
    (project.root / ".venv-serve").symlink_to(vllm_model.PYTHON.parents[1])
    served = tmp_path / "model"
    shutil.copytree(model, served)
    settings = read_json(served / "tokenizer_config.json")
    write_json(served / "tokenizer_config.json", settings | {"eos_token": "</s>"})  # vLLM accepts only a string here
    for task in ("mmlu", "gsm8k"):
        for backend in ("jax", "vllm"):
            project.run(*command(project, task, served, benchmarks, tmp_path / backend, backend=backend))
            until(lambda: not running_in(project.root), seconds=10)
        ours, theirs = (list(read_jsonl(tmp_path / backend / f"{task}.jsonl")) for backend in ("jax", "vllm"))
        for our, their in zip(ours, theirs, strict=True):
            if task == "mmlu":
                assert our.pop("logprobs") == pytest.approx(their.pop("logprobs"), abs=1e-4)
            if task == "gsm8k":  # vLLM withholds the bytes of a character that the end of an answer cuts in two
                our["output"], their["output"] = (row["output"].rstrip("\ufffd") for row in (our, their))
            assert our == their
        results = [tmp_path / backend / f"{task}.json" for backend in ("jax", "vllm")]
        assert without_identity(results[0], task) == without_identity(results[1], task)
        assert read_json(results[1])["library_versions"]["vllm"]
    for number, marker in ((signal.SIGINT, "EngineCore"), (signal.SIGKILL, "POST /v1/completions")):
        shutil.rmtree(project.root / "logs")
        stage = Build(project, *command(project, "gsm8k", served, benchmarks, tmp_path / "killed", backend="vllm"))
        until(
            lambda text=marker: any(
                text in log.read_text(encoding="utf-8") for log in project.root.glob("logs/vllm-*")
            ),
            seconds=1500,
        )  # type: ignore[misc]
        assert len(running_in(project.root)) > 2
        os.kill(stage.process.pid, number)
        stage.finish(60)
        until(lambda: not running_in(project.root), seconds=30)
