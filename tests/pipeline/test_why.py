"""`lemur why` on the toy project: it names each cause with both values, and its predictions come true."""

from pathlib import Path

import pytest

from lemur.core.disk import file_md5
from lemur.core.files import ROOT
from lemur.pipeline.inspect.why import find_stages, why
from tests.tools import checkout_dag

from .conftest import Project


def explain(*stages: str) -> str:
    return "\n".join(why(list(stages), Path.cwd()))


def test_never_built(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project.root)
    assert explain() == (
        "4 of 4 stages changed\n\nfirst, fork@left, fork@right, last changed:\n"
        "  never built: dvc.lock has no entry for it\n  will run"
    )
    (project.root / "in.txt").unlink()
    assert "first changed:\n  never built: dvc.lock has no entry for it\n  cannot run" in explain()


def test_parameters_and_the_next_build(built: Project) -> None:
    assert explain() == "All 4 stages are up to date"
    assert explain("last") == "last is up to date"
    built.set("first: {value: 1}", "first: {value: 9}")
    built.set("threads: 1", "threads: 2", "environment.yaml")
    text = explain()
    assert "2 of 4 stages changed, 2 more may follow" in text
    assert "first changed:\n  parameter  params.yaml: first.value: 1 -> 9\n  will run" in text
    assert "last changed:\n  parameter  environment.yaml: numerics.threads: 1 -> 2\n  will run" in text
    assert "What follows: fork@left, fork@right\n  will run only if an input comes out different" in text
    assert explain("fork_left").startswith(
        "fork@left itself has not changed; it follows first\n  through    data/first.txt\n  will run only if"
    )
    built.run("dvc", "repro", "-q")
    built.set("first: {value: 9}", "first: {value: 1}")
    text = explain()
    assert "first changed:\n  parameter  params.yaml: first.value: 9 -> 1\n  will not run: the run cache has" in text
    # The forks write the same for 1 as for 9, so early cut-off applies to the last stage.
    assert "What follows: fork@left, fork@right\n  will not run: the run cache has" in text
    assert "What follows: last\n  will not run: its inputs come out as recorded" in text
    assert "Running stage" not in built.run("dvc", "repro")


def test_code_command_and_inputs(built: Project) -> None:
    built.set("text =", "# why\n    text =", "src/lemur/toy/fork.py")
    text = explain()
    assert "2 of 4 stages changed, 1 more may follow" in text
    assert "fork@left, fork@right changed:\n  module     src/lemur/toy/fork.py " in text
    assert "(edited, not committed)" in text
    assert explain("first") == "first is up to date"
    built.commit()
    assert " state)" in explain()
    built.set("run toy.last source", "run  toy.last source", "dvc.yaml")
    text = explain("last")
    assert (
        "last changed:\n  command    …" in text
        and "run toy.last" in text
        and "-> …" in text
        and "run  toy.last" in text
    )
    (built.root / "in.txt").write_text("other", encoding="utf-8")
    assert "file       in.txt 5d41402a -> 795f3202 (edited, not committed)" in explain()
    (built.root / "in.txt").unlink()
    assert "file       in.txt is missing (5d41402a recorded)\n  cannot run: an input is missing" in explain()


def test_outputs(built: Project) -> None:
    output = built.root / "data/fork_left/text"
    output.unlink()
    output.write_text("by hand", encoding="utf-8")
    (built.root / "data/first.txt").unlink()
    text = explain()
    assert "first changed:\n  output     data/first.txt is missing (" in text
    assert "fork@left changed:\n  output     data/fork_left/ was altered after it was built: " in text
    assert " (text)\n  will not run: its outputs will be restored from the cache" in text
    assert "last changed:\n  input      data/fork_left/ " in text
    assert "(written by fork@left)\n  will not run: its inputs come out as recorded" in text
    assert "Running stage" not in built.run("dvc", "repro")
    assert explain() == "All 4 stages are up to date"
    md5 = file_md5(output)
    output.unlink()
    (built.root / ".dvc/cache/files/md5" / md5[:2] / md5[2:]).unlink()
    assert "output     data/fork_left/ lacks text, which the cache lacks too (" in explain()
    built.run("rm", "-r", "data", ".dvc/cache")
    text = explain()
    assert "first, fork@left, fork@right, last changed:\n  its outputs are neither here nor in the cache" in text
    assert text.endswith("will run")


def test_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    dag = checkout_dag()
    assert find_stages(dag, "mmlu_base") == find_stages(dag, "reports/eval/base/mmlu.json") == ["mmlu@base"]
    assert find_stages(dag, "models/base/") == find_stages(dag, "./models/base/config.json") == ["base_model"]
    assert set(find_stages(dag, "mmlu")) == {"mmlu@base", "mmlu@lemur", "mmlu@lemur_chat"}
    with pytest.raises(SystemExit, match=r"no stage 'tokeniser'; similar: .*tokenizer"):
        find_stages(dag, "tokeniser")
