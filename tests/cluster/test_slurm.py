"""The toy project built on a real Slurm, and jobs that end in the middle. About 7 minutes."""

import os
import re
from pathlib import Path

import pytest

from tests.cluster.conftest import Lock, lock_of
from tests.cluster.slurm import CGROUPS, Slurm
from tests.processes import Build, running_in, until
from tests.tools import Project

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]

BUILD = ("snakemake", "--profile", "profiles/slurm", "--seconds-between-status-checks", "1", "--latency-wait", "5")
RESULTS = {"data/first.txt": "hello 1", "data/fork_left/text": "hello 2", "data/last.txt": "hello 4"}


def assert_built(project: Project, local: Lock) -> None:
    """The same results as those of a local build, and nothing else: no half output, no process."""
    assert lock_of(project) == local
    assert {name: (project.root / name).read_text(encoding="utf-8") for name in RESULTS} == RESULTS
    assert not list(project.root.rglob("*.partial"))
    assert project.planned() == set()
    assert project.run("dvc", "status").strip() == "Data and pipelines are up to date."
    until(lambda: not running_in(project.root), seconds=20)


def waiting_build(project: Project, slurm: Slurm, *options: str) -> tuple[Build, str]:
    """A build whose first stage waits until the file `wait` is removed, and the id of its job."""
    (project.root / "wait").touch()
    build = Build(project, *BUILD, *options)
    until(lambda: any("lemur run toy.first" in line for line in running_in(project.root)) or build.process.poll())
    assert build.process.poll() is None, build.output()
    return build, slurm.running("first")


def failed(build: Build) -> str:
    """The output of a build that fails because of its first job."""
    output = build.finish()
    assert build.process.returncode
    assert "Error in rule first" in output
    assert "Failed: first (logs/first.log)" in output
    return output


def wasteful_build(project: Project) -> str:
    """The output of a build that fails because its first stage takes 950 MB more than usual."""
    for file in ("waste", "wait"):
        (project.root / file).touch()
    output = failed(Build(project, *BUILD, "--set-resources", "first:mem_mb=400"))
    for file in ("waste", "wait"):
        (project.root / file).unlink()
    return output


def test_same_bytes_as_a_local_build(project: Project, slurm: Slurm, locally_built: Lock) -> None:
    output = project.run(*BUILD)
    assert "4 stages: 4 ran." in output
    assert_built(project, locally_built)
    assert slurm.call("squeue", "--noheader") == ""
    assert "Nothing to do: all 4 stages are up to date." in project.run(*BUILD)


def test_failed_stage(project: Project, slurm: Slurm) -> None:
    project.set("right: {value: 3}", "right: {value: -3}")
    output = project.run(*BUILD, ok=False)
    assert "Error in rule fork_right" in output
    assert "ValueError: value is below zero" in output
    assert ": FAILED (Reason=NonZeroExitCode, ExitCode=1:0, on node" in output


def test_resources_reach_the_job(project: Project, slurm: Slurm) -> None:
    stage = "    outs: [data/first.txt]\n"
    project.set(stage, f"{stage}    meta: {{threads: 2, workers: 64, mem_mb: 700}}\n", "dvc.yaml")
    wasted = "    wasted ="
    workers = '    open("workers", "w").write(os.environ["LEMUR_WORKERS"])\n'
    project.set(wasted, workers + wasted, "src/lemur/toy/first.py")
    # The job sees a large machine, as it may where Slurm does not bind it to its processors.
    project.set(
        "rules_of =",
        "if not workflow.is_main_process:\n    workflow.resource_settings.cores = 96\n"
        "    workflow.global_resources['_cores'] = 96\n\nrules_of =",
        "Snakefile",
    )
    extra = "first:slurm_extra='--comment=test'"
    build, number = waiting_build(project, slurm, "--set-resources", "first:runtime=3h", "first:gpus=2", extra)
    job = slurm.job(number)
    (project.root / "wait").unlink()
    assert "4 stages: 4 ran." in build.finish()
    requested = {
        "JobName": "first",
        "NumNodes": "1",
        "CPUs/Task": "2",
        "MinMemoryNode": "1200M",
        "TimeLimit": "03:00:00",
        "TresPerNode": "gres:gpu:2",
        "Comment": "test",
    }
    assert {key: job[key] for key in requested} == requested
    assert (project.root / "workers").read_text(encoding="utf-8") == "2"


def test_more_memory_than_a_node_has(project: Project, slurm: Slurm) -> None:
    output = project.run(*BUILD, "--set-resources", "first:mem_mb=100000", ok=False)
    assert "Memory specification can not be satisfied" in output
    assert "Failed: first" in output


def test_one_stage_on_two_nodes(project: Project, slurm: Slurm, tmp_path: Path) -> None:
    project.set("class Params", "DISTRIBUTED = True\n\n\nclass Params", "src/lemur/toy/last.py")
    project.set(
        "    text =",
        "    import os, jax\n"
        "    seen = (jax.process_count(), *map(os.environ.get, ('SLURMD_NODENAME', 'SLURM_CPUS_PER_TASK')))\n"
        "    open(f'seen_{jax.process_index()}', 'w').write(str(seen))\n    text =",
        "src/lemur/toy/last.py",
    )
    project.commit()
    local = project.clone(tmp_path / "local")
    local.run("snakemake", "--cores", "2")
    project.run(*BUILD, "--set-resources", "last:nodes=2")
    seen = [(project.root / f"seen_{index}").read_text(encoding="utf-8") for index in (0, 1)]
    assert seen == ["(2, 'node1', '2')", "(2, 'node2', '2')"]
    assert_built(project, lock_of(local))


def test_scancel(project: Project, slurm: Slurm, locally_built: Lock) -> None:
    build, number = waiting_build(project, slurm)
    slurm.call("scancel", number)
    output = failed(build)
    assert f"Slurm ended job {number}: CANCELLED " in output
    assert f"JOB {number} ON node1 CANCELLED AT " in output
    assert not (project.root / "data/first.txt").exists()
    (project.root / "wait").unlink()
    project.run(*BUILD)
    assert_built(project, locally_built)


def test_ctrl_c_cancels_the_jobs(project: Project, slurm: Slurm, locally_built: Lock) -> None:
    build, _ = waiting_build(project, slurm)
    build.interrupt()
    build.finish(60)
    until(lambda: not slurm.call("squeue", "--noheader"), 60)
    until(lambda: not running_in(project.root), seconds=20)
    (project.root / "wait").unlink()
    project.run(*BUILD)
    assert_built(project, locally_built)


def test_killed_for_memory(project: Project, slurm: Slurm, locally_built: Lock) -> None:
    output = wasteful_build(project)
    assert re.search(r"Slurm ended job \d+: FAILED ", output)
    assert "Exceeded job memory limit" in output
    assert not (project.root / "data/first.txt").exists()
    project.run(*BUILD)
    assert_built(project, locally_built)


@pytest.mark.skipif(not os.access(CGROUPS, os.W_OK), reason="no writable memory cgroups (version 1) here")
def test_stage_killed_for_memory_by_the_kernel(project: Project, slurm: Slurm, locally_built: Lock) -> None:
    """Of the job's processes only the largest is killed."""
    slurm.stop()
    slurm.start(memory="kernel")
    try:
        output = wasteful_build(project)
    finally:
        slurm.stop()
        slurm.start()
    assert re.search(r"Slurm ended job \d+: OUT_OF_MEMORY \(Reason=OutOfMemory", output)
    assert "oom-kill event" in output
    project.run(*BUILD)
    assert_built(project, locally_built)


def test_node_down_and_up(project: Project, slurm: Slurm, locally_built: Lock) -> None:
    """Slurm starts the job again on the other node, and the build goes on."""
    build, number = waiting_build(project, slurm)
    assert slurm.job(number)["NodeList"] == "node1"
    slurm.set_node("node1", "DOWN")
    try:
        until(lambda: slurm.job(number).get("Restarts") == "1" and slurm.running("first"))
        assert slurm.job(number)["NodeList"] == "node2"
    finally:
        slurm.set_node("node1", "RESUME")
    (project.root / "wait").unlink()
    output = build.finish()
    assert build.process.returncode == 0, output
    assert "4 stages: 4 ran." in output
    assert_built(project, locally_built)


def test_crashed_node(project: Project, slurm: Slurm, locally_built: Lock) -> None:
    """slurmctld notices by itself."""
    build, number = waiting_build(project, slurm)
    assert slurm.job(number)["NodeList"] == "node1"
    slurm.crash_node("node1")
    try:
        until(lambda: slurm.job(number).get("Restarts") == "1" and slurm.running("first"))
        assert slurm.job(number)["NodeList"] == "node2"
    finally:
        slurm.start_node("node1")
    (project.root / "wait").unlink()
    output = build.finish()
    assert build.process.returncode == 0, output
    assert "4 stages: 4 ran." in output
    assert_built(project, locally_built)
    until(lambda: slurm.node_states() == ["idle", "idle"], 60)


def test_controller_restarts(project: Project, slurm: Slurm, locally_built: Lock) -> None:
    """While slurmctld is away, jobs go on, and so does the build."""
    build, _ = waiting_build(project, slurm)
    slurm.stop_daemon("slurmctld")
    until(lambda: "Unable to contact slurm controller" in build.output())
    slurm.start_daemon("slurmctld", "slurmctld", "-D")
    (project.root / "wait").unlink()
    output = build.finish()
    assert build.process.returncode == 0, output
    assert_built(project, locally_built)


def test_job_that_nobody_knows_any_more_has_failed(project: Project, slurm: Slurm) -> None:
    output = project.run("profiles/slurm/status", "123456")
    assert output.splitlines()[-1] == "failed"
    assert "Slurm ended job 123456: it no longer knows it (sacct: Slurm accounting storage is disabled)" in output
