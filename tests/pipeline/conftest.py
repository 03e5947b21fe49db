"""A project of four toy stages with the real Snakefile, runner and profile, for tests that call the real tools."""

import shutil
from pathlib import Path

import pytest

from tests.tools import ROOT, Project, identity

STAGE = """from pathlib import Path
from lemur.core.params import StageParams


class Params(StageParams):
    value: int


def {name}(params: Params, source: Path, *, out: Path) -> None:
    text = source.read_text() if source.is_file() else (source / "text").read_text()
    if params.value < 0:
        raise ValueError("value is below zero")
    {write}
"""
WRITE_FILE = 'out.write_text(f"{text[:5]} {params.value}")'
WRITE_DIRECTORY = 'out.mkdir(); (out / "text").write_text(f"{text[:5]} {params.value}")'

DAG = """stages:
  first:
    desc: The first stage
    cmd: PYTHONPATH=src python -m lemur run toy.first source=in.txt out=data/first.txt
    params: [first]
    deps: [in.txt]
    outs: [data/first.txt]
  fork:
    matrix: {side: [left, right]}
    cmd: PYTHONPATH=src python -m lemur run toy.fork --params fork.${item.side}
      source=data/first.txt out=data/fork_${item.side}/
    params: ["fork.${item.side}"]
    deps: [data/first.txt]
    outs: ["data/fork_${item.side}/"]
  last:
    cmd: PYTHONPATH=src python -m lemur run toy.last source=data/fork_left/ out=data/last.txt
    params: [last]
    deps: [data/fork_left/]
    outs: [data/last.txt]
    meta: {threads: 2, mem_mb: 100}
"""
PARAMS = "first: {value: 1}\nfork: {left: {value: 2}, right: {value: 3}}\nlast: {value: 4}\n"


PRISTINE: list[Path] = []


@pytest.fixture
def project(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A copy of the toy project, not built; made once per session."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for key, value in identity().items():
        monkeypatch.setenv(key, value)
    if not PRISTINE:
        PRISTINE.append(tmp_path_factory.mktemp("pristine") / "project")
        make(PRISTINE[0])
    root = tmp_path / "project"
    shutil.copytree(PRISTINE[0], root)
    return Project(root)


def make(root: Path) -> None:
    """Commit the toy project in a new repository. DVC's remote is beside the checkout, as in ROOT's configuration."""
    (root / "src/lemur/toy").mkdir(parents=True)
    for name in (
        "Snakefile",
        "profiles",
        ".gitignore",
        ".dvcignore",
        "src/lemur/commands",
        "src/lemur/core",
        "src/lemur/pipeline",
        "src/lemur/sources",
        "requirements",
        "pyproject.toml",
    ):
        source = ROOT / name
        shutil.copytree(source, root / name) if source.is_dir() else shutil.copy(source, root / name)
    for source in (ROOT / "src/lemur").glob("*.py"):
        shutil.copy(source, root / "src/lemur")
    (root / "src/lemur/toy/__init__.py").touch()
    for name, write in {"first": WRITE_FILE, "fork": WRITE_DIRECTORY, "last": WRITE_FILE}.items():
        (root / f"src/lemur/toy/{name}.py").write_text(STAGE.format(name=name, write=write), encoding="utf-8")
    for name, text in {
        "dvc.yaml": DAG,
        "params.yaml": PARAMS,
        "environment.yaml": "packages: {}\n",
        "in.txt": "hello",
    }.items():
        (root / name).write_text(text, encoding="utf-8")
    project = Project(root)
    project.run("git", "init", "-q")
    project.run("dvc", "init", "-q")
    shutil.copy(ROOT / ".dvc/config", root / ".dvc/config")
    project.lemur("dependencies", "--write")
    project.commit()


# Writes a tensor, records and a blob; an undeclared environment variable plants a difference in one of them.
PLANTING = """import os
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from lemur.core.params import StageParams


class Params(StageParams):
    value: int


def last(params: Params, source: Path, *, out: Path) -> None:
    planted = os.environ.get("PLANTED", "")
    b = np.full(3, params.value, "f4")
    b[1] += 0.5 * (planted == "tensor")
    out.mkdir()
    save_file({"a": np.ones(4, "f4"), "b": b}, out / "model.safetensors")
    (out / "records.jsonl").write_text('{"id": "r1", "n": 1}\\n{"id": "r2", "n": %d}\\n' % (2 + (planted == "record")))
    (out / "blob.bin").write_bytes(b"\\xff\\x00" + bytes([1 + 6 * (planted == "byte")]))
"""
NUMERICS_OF_LAST = "numerics: {platform: cpu, threads: 1, xla_flags: ''}\n"
BUILT: list[Path] = []


@pytest.fixture
def built(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> Project:
    """A copy of the toy project, built once per session and committed; its last stage also declares the numerics."""
    if not BUILT:
        project: Project = request.getfixturevalue("project")
        (project.root / "src/lemur/toy/last.py").write_text(PLANTING, encoding="utf-8")
        (project.root / "environment.yaml").write_text("packages: {}\n" + NUMERICS_OF_LAST, encoding="utf-8")
        project.set("      - last\n", "      - last\n      - environment.yaml: [numerics]\n", "dvc.yaml")
        for _ in ("cmd", "outs"):
            project.set("data/last.txt", "data/last/", "dvc.yaml")
        project.run("dvc", "repro", "-q")
        project.run("git", "config", "user.name", "toy")
        project.run("git", "config", "user.email", "toy@example.org")
        project.commit()
        BUILT.append(tmp_path_factory.mktemp("built") / "project")
        shutil.copytree(project.root, BUILT[0])
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    copy = Project(tmp_path / "built")
    shutil.copytree(BUILT[0], copy.root)
    monkeypatch.chdir(copy.root)
    return copy
