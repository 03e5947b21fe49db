"""The runner: it reports errors at once, and a failing stage leaves nothing behind."""

from pathlib import Path

import pytest

from lemur.core.numerics import apply_numerics, check_packages
from lemur.core.workers import count
from lemur.pipeline.artifacts import integrity
from lemur.pipeline.build import validation
from lemur.pipeline.build.run_stage import bind
from lemur.pipeline.build.validation import validate_all

from .conftest import Project


def test_missing_and_unknown_arguments_are_reported() -> None:
    module = validation.stage_module("corpus.split_corpus")
    with pytest.raises(SystemExit, match=r"\['wrong'\]"):
        bind(module, "split_corpus", ["documents=a", "train=b", "heldout=c", "report=d", "wrong=e"])
    with pytest.raises(SystemExit, match="'train' is not NAME=PATH"):
        bind(module, "split_corpus", ["train"])


def test_another_library_version_stops_the_stage(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    environment = tmp_path / "environment.yaml"
    environment.write_text("packages: {numpy: 0.0.1}", encoding="utf-8")
    monkeypatch.setattr("lemur.core.numerics.ENVIRONMENT", environment)
    with pytest.raises(SystemExit, match=r"packages.numpy: 0.0.1 recorded"):
        check_packages(["numpy"])


def test_numerics_come_before_jax(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "jax", object())
    with pytest.raises(RuntimeError, match="before its numerics"):
        apply_numerics({"platform": "cpu", "threads": 1, "xla_flags": ""})


def test_params_that_are_not_yaml(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    params = tmp_path / "params.yaml"
    params.write_text("fetch: {oasst1: [", encoding="utf-8")
    monkeypatch.setattr(validation, "PARAMS", params)
    with pytest.raises(SystemExit, match=r"(?s)params\.yaml is not valid YAML: .*line 2"):
        validate_all({"stages": {}})


def test_an_unreadable_dvc_lock_is_read_again_and_then_reported(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(integrity, "ROOT", tmp_path)
    monkeypatch.chdir(tmp_path)
    Path("data.txt").write_text("hello", encoding="utf-8")
    lock = "stages:\n  first:\n    outs:\n    - path: data.txt\n      md5: 5d41402abc4b2a76b9719d911017c592\n"
    integrity.check_inputs("last", [Path("data.txt")], [])  # nothing was built yet
    waited: list[float] = []
    monkeypatch.setattr("time.sleep", waited.append)
    for text in ("", "stages:\n", lock[:40], lock[:-50], f"<<<<<<< HEAD\n{lock}", "x: y\n"):
        Path("dvc.lock").write_text(text, encoding="utf-8")
        with pytest.raises(SystemExit, match=r"^last: dvc\.lock cannot be read.*`git checkout dvc\.lock` restores"):
            integrity.check_inputs("last", [Path("data.txt")], [])
    assert len(waited) == 6 * (integrity.ATTEMPTS - 1)
    monkeypatch.setattr(
        "time.sleep", lambda _: Path("dvc.lock").write_text(lock, encoding="utf-8")
    )  # complete at the second attempt
    integrity.check_inputs("last", [Path("data.txt")], [])
    Path("dvc.lock").write_text("", encoding="utf-8")
    Path("data.txt").write_text("rotten", encoding="utf-8")
    with pytest.raises(SystemExit, match=r"last: input data\.txt is damaged: .*\nRemove it and run `lemur check"):
        integrity.check_inputs("last", [Path("data.txt")], [])


def test_workers_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEMUR_WORKERS", "3")
    assert count() == 3
    monkeypatch.setenv("LEMUR_WORKERS", "none")
    with pytest.raises(SystemExit, match="LEMUR_WORKERS is 'none'"):
        count()


def test_a_failing_stage_leaves_no_output(project: Project) -> None:
    command = ["python", "-m", "lemur", "run", "toy.first", "source=in.txt", "out=data/first.txt"]
    project.run("env", "PYTHONPATH=src", *command)
    project.set("first: {value: 1}", "first: {value: -1}")
    output = project.run("env", "PYTHONPATH=src", *command, ok=False)
    assert "value is below zero" in output
    assert (project.root / "data/first.txt").read_text(encoding="utf-8") == "hello 1", "the last good output stays"
    assert not list((project.root / "data").glob(".*.partial"))
    (project.root / "in.txt").unlink()
    assert "input source=in.txt is missing" in project.run("env", "PYTHONPATH=src", *command, ok=False)


def test_what_shards_of_a_killed_stage_may_still_write_to_is_removed(project: Project) -> None:
    scratch = project.root / "data/.first.txt.scratch.partial"
    scratch.mkdir(parents=True)
    (scratch / "shard").touch()
    project.lemur("run", "toy.first", "source=in.txt", "out=data/first.txt")
    assert not scratch.exists()


def test_a_stage_sees_only_declared_files_of_a_folder(project: Project) -> None:
    project.set("source=data/fork_left/", "source=data/", "dvc.yaml")
    project.set('(source / "text")', '(source / "fork_left/text")', "src/lemur/toy/last.py")
    project.set("text[:5]", "sorted(path.name for path in source.iterdir())", "src/lemur/toy/last.py")
    project.run("dvc", "repro", "-q")
    (project.root / "data/stale.txt").write_text("from an older commit", encoding="utf-8")
    project.run("dvc", "repro", "-q", "--force", "--single-item", "last")
    assert (project.root / "data/last.txt").read_text(encoding="utf-8") == "['fork_left'] 4"
