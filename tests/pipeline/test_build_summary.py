"""The last lines of a build, with the real tools on a toy project. Ctrl-C and SIGTERM: tests/exact/test_stopping.py."""

from pathlib import Path

import pytest

from lemur.pipeline.build import build_summary
from lemur.pipeline.build.dag import Stage

from .conftest import Project

BUILD = ("snakemake", "--cores", "2")


def summary_lines(output: str) -> list[str]:
    """The lines after Snakemake's own last line."""
    snakemake_endings = ("Elapsed time: ", "Nothing to be done", "At least one job did not complete")
    lines = output.splitlines()
    last = max(number for number, line in enumerate(lines) if line.startswith(snakemake_endings))
    return [line for line in lines[last + 1 :] if line and not line.startswith("Using workflow specific profile")]


@pytest.mark.exact
def test_stages_that_ran_came_from_the_cache_or_were_unchanged(project: Project) -> None:
    uncommitted = "Git has no committed dvc.lock to compare the artifacts with."
    assert summary_lines(project.run(*BUILD)) == ["4 stages: 4 ran.", uncommitted]
    project.commit()
    equal = "All 4 artifacts have the bytes that the committed dvc.lock records."
    assert summary_lines(project.run(*BUILD)) == ["Nothing to do: all 4 stages are up to date.", equal]
    assert summary_lines(project.run(*BUILD, "data/first.txt")) == [
        "Nothing to do: the requested targets are up to date (1 of 4 stages).",
        "The artifact has the bytes that the committed dvc.lock records.",
    ]
    # A stage in the middle gets another parameter, and the first one's output is lost, but the cache has it.
    project.set("left: {value: 2}", "left: {value: 7}")
    (project.root / "data/first.txt").unlink()
    differs = [
        "1 of 4 artifacts differs from the committed dvc.lock.",
        "The first, in graph order, is data/fork_left/ of stage fork@left, built from other inputs: "
        "parameter params.yaml.fork.left.value: 2 -> 7.",
        build_summary.DETAILS,
    ]
    assert summary_lines(project.run(*BUILD)) == ["4 stages: 2 ran, 1 from the cache, 1 unchanged.", *differs]
    kept = (project.root / build_summary.LAST_VERDICT).stat().st_mtime_ns
    assert summary_lines(project.run(*BUILD)) == ["Nothing to do: all 4 stages are up to date.", *differs]
    assert (project.root / build_summary.LAST_VERDICT).stat().st_mtime_ns == kept
    project.set("left: {value: 7}", "left: {value: 2}")
    assert summary_lines(project.run(*BUILD)) == ["4 stages: 2 from the cache, 2 unchanged.", equal]


SHARDS = """from pathlib import Path
from lemur.core.params import StageParams
from lemur.core.shards import Job, map_shards, scratch_beside


class Params(StageParams):
    value: int


def first(params: Params, source: Path, *, out: Path) -> None:
    jobs = [Job(path.name, (path,), {"copy": out / path.name}) for path in sorted(source.iterdir())]
    with scratch_beside(out) as scratch:
        for size in map_shards(copy, jobs, scratch=scratch):
            print("size", size)


def copy(job: Job) -> int:
    return job.outputs["copy"].write_bytes(job.inputs[0].read_bytes())
"""


SHARDS_DAG = """stages:
  first:
    cmd: PYTHONPATH=src python -m lemur run toy.first source=in/ out=data/first/ ledger=data/first.jsonl
    params: [first]
    deps: [in/]
    outs: [data/first/, data/first.jsonl]
"""


@pytest.mark.exact
def test_shards_from_the_cache(project: Project) -> None:
    (project.root / "src/lemur/toy/first.py").write_text(SHARDS, encoding="utf-8")
    (project.root / "dvc.yaml").write_text(SHARDS_DAG, encoding="utf-8")
    (project.root / "params.yaml").write_text("first: {value: 1}\n", encoding="utf-8")
    (project.root / "in").mkdir()
    for number in range(4):
        (project.root / f"in/{number}").write_text(str(number), encoding="utf-8")
    project.lemur("dependencies", "--write")
    assert summary_lines(project.run(*BUILD))[0] == "1 stage: 1 ran."
    (project.root / "in/2").write_text("changed", encoding="utf-8")
    lines = summary_lines(project.run(*BUILD))
    assert lines[:2] == ["1 stage: 1 ran.", "Shards from the cache: first 3 of 4."]
    log = (project.root / "logs/first.log").read_text(encoding="utf-8")
    assert "size 1\nsize 1\nsize 7\nsize 1\n" in log
    assert project.planned() == set()
    # Forced, it computes all of them.
    lines = summary_lines(project.run(*BUILD, "--forcerun", "first"))
    assert lines[0] == "1 stage: 1 ran." and "Shards" not in lines[1]


def test_stages_that_failed_or_were_not_started(project: Project) -> None:
    project.run("dvc", "repro", "-q", "first")
    project.commit()
    project.set("left: {value: 2}", "left: {value: -1}")
    assert summary_lines(project.run(*BUILD, "--keep-going", ok=False)) == [
        "4 stages: 1 ran, 1 unchanged, 1 failed, 1 not started.",
        "Failed: fork@left (logs/fork_left.log)",
        "Not started: last",
        "Finished stages are kept: run the same command to continue.",
    ]


@pytest.mark.exact
def test_only_weights_differ_on_a_machine_outside_the_profile(built: Project) -> None:
    """The last stage declares the numerics; an undeclared environment variable changes its bytes."""
    built.set("xla_flags: ''", "xla_flags: --xla_cpu_max_isa=AVX", "environment.yaml")
    built.run(*BUILD)
    built.commit()
    built.environment = {"PLANTED": "tensor"}
    lines = summary_lines(built.run(*BUILD, "--forcerun", "last"))
    assert lines[:3] == [
        "4 stages: 1 ran, 3 unchanged.",
        "1 of 4 artifacts differs from the committed dvc.lock.",
        "The first with different bytes from the same inputs is data/last/ of stage last.",
    ]
    assert lines[3].startswith("Only weights or what is made from them differ. The likely reason: the processor (")
    assert "Warning" not in (built.root / "logs/last.log").read_text(encoding="utf-8")
    # Follow the advice of the last line.
    output = built.lemur("verify", "--built", ".", ok=False)
    assert "model.safetensors: 1 of 2 tensors" in output
    assert "the first is b [3] float32: 1 of 3 differ, first [1]: 4.0 -> 4.5" in output
    assert output.splitlines()[-3:] == lines[1:4]

    built.set('"/proc/cpuinfo"', '"cpuinfo"', "src/lemur/core/processor.py")
    (built.root / "cpuinfo").write_text("model name\t: Toy\nflags\t\t: sse avx\n", encoding="utf-8")
    reason = "The likely reason: this processor has no AVX2 and no FMA; docs/reproducibility.md"
    assert reason in summary_lines(built.run(*BUILD, "--forcerun", "last"))[3]
    warned = "Warning: this processor has no AVX2 and no FMA, so this stage may give other bytes than elsewhere"
    assert warned in (built.root / "logs/last.log").read_text(encoding="utf-8")


def test_without_git(tmp_path: Path) -> None:
    stage = Stage("first", "", (), ("data/first.txt",), 1, 1)
    (tmp_path / "dvc.lock").write_text("stages: {}\n", encoding="utf-8")
    assert build_summary.comparison([stage], tmp_path) == [
        "Git has no committed dvc.lock to compare the artifacts with."
    ]


@pytest.mark.parametrize("option", ["--list", "--dag", "--summary", "--dry-run", "--quiet=all", "--touch"])
def test_no_summary_without_a_build_or_output(built: Project, option: str) -> None:
    assert "Nothing to do" not in built.run("snakemake", "--cores", "2", option)
