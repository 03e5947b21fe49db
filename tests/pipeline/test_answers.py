"""`lemur answers`: what it says before anything runs is what then happens."""

import json
import shutil
from pathlib import Path

import pytest

from tests.evaluation.conftest import ASK_FOR_ANSWERS, fetched
from tests.evaluation.test_gsm8k import lines
from tests.evaluation.test_stages import model  # noqa: F401
from tests.inference.conftest import tokenizer_folder  # noqa: F401
from tests.tools import ROOT, Project, identity

DAG = """stages:
  tuned:
    cmd: PYTHONPATH=src python -m lemur run toy.tuned base=models/first/ model=models/lemur/
    params: [tuned]
    deps: [models/first/]
    outs: [models/lemur/]
  gsm8k:
    matrix: {model: [first, lemur]}
    cmd: PYTHONPATH=src python -m lemur run evaluation.gsm8k model=models/${item.model}/ benchmark=gsm8k/
      result=reports/${item.model}/gsm8k.json samples=data/${item.model}/gsm8k.jsonl
    params: [gsm8k]
    deps: ["models/${item.model}/", gsm8k/]
    outs: ["data/${item.model}/gsm8k.jsonl"]
    metrics: ["reports/${item.model}/gsm8k.json"]
"""
TUNED = """import shutil
from pathlib import Path
from lemur.core.params import StageParams


class Params(StageParams):
    pass


def tuned(params: Params, base: Path, *, model: Path) -> None:
    shutil.copytree(base, model)
"""
PARAMS = {**ASK_FOR_ANSWERS, "shots": 1, "max_new_tokens": 4, "limit": 4, "tile": 2}


@pytest.fixture
def project(tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> Project:  # noqa: F811
    """Two evaluations, of the tests' model and of a model that a stage makes."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for key, value in identity().items():
        monkeypatch.setenv(key, value)
    root = tmp_path / "project"
    for name in ("src", "requirements"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in (".gitignore", ".dvcignore", "pyproject.toml", "environment.yaml"):
        shutil.copy(ROOT / name, root / name)
    (root / "src/lemur/toy").mkdir()
    (root / "src/lemur/toy/tuned.py").write_text(TUNED, encoding="utf-8")
    (root / "dvc.yaml").write_text(DAG, encoding="utf-8")
    (root / "params.yaml").write_text(f"tuned: {{}}\ngsm8k: {json.dumps(PARAMS)}\n", encoding="utf-8")
    shutil.copytree(model, root / "models/first")
    fetched(
        root / "gsm8k",
        "gsm8k",
        {f"{split}.jsonl": (lines(split, 6), {"split": split}) for split in ("train", "test")},
    )
    project = Project(root)
    project.run("git", "init", "-q")
    project.run("dvc", "init", "-q")
    project.lemur("dependencies", "--write")
    return project


@pytest.mark.slow
def test_reuse_regrade_and_rerun_come_true(project: Project) -> None:
    def said() -> list[str]:
        return project.lemur("answers").splitlines()

    def done() -> str:
        return project.run("dvc", "repro")

    assert said() == [
        "rerun    gsm8k@first: 4 of 4 prompts to ask",
        "later    gsm8k@lemur: known when models/lemur/ is built",
    ]
    project.run("dvc", "repro", "-q", "tuned")
    assert said()[1] == "rerun    gsm8k@lemur: 4 of 4 prompts to ask"
    assert not (project.root / ".lemur/answers").exists()
    log = done()
    assert "gsm8k of first: rerun: 4 of 4 prompts to ask" in log
    assert "gsm8k of lemur: regrade: the answers to all 4 prompts" in log, "it has the same weights"
    assert said() == ["reuse    gsm8k@first and gsm8k@lemur: nothing changed"]

    project.set('"""', '"""Edited. ', "src/lemur/evaluation/judging/numbers.py")
    project.set('"limit": 4', '"limit": 5')
    both = ["rerun    gsm8k@first: 1 of 5 prompts to ask", "rerun    gsm8k@lemur: 1 of 5 prompts to ask"]
    assert said() == both and project.lemur("answers", "gsm8k@lemur").splitlines() == both[1:]
    assert "gsm8k of first: rerun: 1 of 5 prompts to ask" in done()
    project.set('"limit": 5', '"limit": 3')
    assert said()[0] == "regrade  gsm8k@first: the answers to all 3 prompts are on record"
    log = done()
    assert "to ask" not in log and log.count("regrade") == 2

    project.set('"""', '"""Edited. ', "src/lemur/inference/jax_model.py")
    assert said()[0] == "rerun    gsm8k@first: 3 of 3 prompts to ask"
    assert project.lemur("answers", "--prune").splitlines() == ["0.0 MB removed"]
    assert not list((project.root / ".lemur/answers").iterdir())
    assert "tuned: no evaluation; evaluations are gsm8k@first and gsm8k@lemur" in project.lemur(
        "answers", "tuned", ok=False
    )
