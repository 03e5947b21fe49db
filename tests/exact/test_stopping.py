"""Builds that are interrupted or fail, on a toy project. About 1 minute."""

import signal
import time

import pytest

from tests.exact.conftest import executed_rules
from tests.processes import Build, running_in, until
from tests.tools import Project

pytestmark = pytest.mark.exact


def slow(project: Project, stage: str, seconds: float) -> None:
    """Make a toy stage sleep before it writes."""
    project.set("    text =", f"    import time; time.sleep({seconds})\n    text =", f"src/lemur/toy/{stage}.py")


def works_on(project: Project, stage: str) -> bool:
    """Whether a process runs a toy stage."""
    return any(f"run toy.{stage}" in line and "python" in line[:80] for line in running_in(project.root))


def test_ctrl_c_stops_at_once_and_reports_it(project: Project) -> None:
    slow(project, "fork", 600)
    build = Build(project, "snakemake", "--cores", "2")
    until(lambda: works_on(project, "fork"))
    time.sleep(1)
    build.interrupt()
    output = build.finish(60)
    assert build.process.returncode
    assert "Terminating processes on user request" in output
    assert output.splitlines()[-4:] == [
        "4 stages: 1 ran, 2 stopped, 1 not started.",
        "Stopped: fork@left (logs/fork_left.log), fork@right (logs/fork_right.log)",
        "Not started: last",
        "Finished stages are kept: run the same command to continue.",
    ]
    until(lambda: not running_in(project.root), seconds=20)
    project.set("time.sleep(600)", "time.sleep(0)", "src/lemur/toy/fork.py")
    assert executed_rules(project, "snakemake", "--cores", "2") == {"fork_left", "fork_right", "last"}


def test_ctrl_c_stops_dvc_repro_too(project: Project) -> None:
    slow(project, "first", 600)
    build = Build(project, "dvc", "repro")
    until(lambda: works_on(project, "first"))
    time.sleep(1)
    build.interrupt()
    assert "failed to reproduce 'first'" in build.finish(60)
    until(lambda: not running_in(project.root), seconds=20)


def test_sigterm_lets_running_stages_finish_and_starts_no_more(project: Project) -> None:
    slow(project, "first", 5)
    build = Build(project, "snakemake", "--cores", "2")
    until(lambda: works_on(project, "first"))
    build.process.send_signal(signal.SIGTERM)
    output = build.finish()
    assert build.process.returncode
    assert "Will exit after finishing currently running jobs" in output
    assert "4 stages: 1 ran, 3 not started.\nNot started: fork@left, fork@right, last\n" in output
    assert (project.root / "data/first.txt").exists()
    assert not (project.root / "data/last.txt").exists()
    until(lambda: not running_in(project.root), seconds=20)
    project.run("snakemake", "--cores", "2")
    assert (project.root / "data/last.txt").read_text(encoding="utf-8") == "hello 4"


def test_a_build_waits_for_a_stage_that_outlives_a_killed_build(project: Project) -> None:
    """Like a training, which saves its state first."""
    project.set(
        "    text =",
        "    import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(8)\n"
        "    open('runs', 'a').write('first ')\n    text =",
        "src/lemur/toy/first.py",
    )
    build = Build(project, "snakemake", "--cores", "2")
    until(lambda: works_on(project, "first"))
    time.sleep(1)
    build.kill(group=False)
    output = project.run("snakemake", "--cores", "2")
    assert "Waiting for another build in this checkout: PID" in output
    assert (project.root / "runs").read_text(encoding="utf-8") == "first first "
    assert (project.root / "data/last.txt").read_text(encoding="utf-8") == "hello 4"
    assert project.planned() == set()


def test_failed_stage_says_what_to_do_and_its_last_outputs_can_be_restored(project: Project) -> None:
    project.run("snakemake", "--cores", "2")
    project.set("left: {value: 2}", "left: {value: -1}")
    output = project.run("snakemake", "--cores", "2", ok=False)
    assert "Error in rule fork_left" in output
    assert "log: logs/fork_left.log" in output
    assert "ValueError: value is below zero" in output
    assert "Repeat only this stage: dvc repro --single-item fork@left" in output
    assert "Restore its last good outputs: dvc checkout fork@left" in output
    assert "4 stages: 2 unchanged, 1 failed, 1 not started.\nFailed: fork@left (logs/fork_left.log)\n" in output
    assert not (project.root / "data/fork_left").exists()
    project.run("dvc", "checkout", "fork@left")
    assert (project.root / "data/fork_left/text").read_text(encoding="utf-8") == "hello 2"
    assert "ValueError" in project.run("dvc", "repro", "--single-item", "fork@left", ok=False)
    project.run("dvc", "checkout", "fork@left")
    project.set("left: {value: -1}", "left: {value: 2}")
    assert project.planned() == set()
