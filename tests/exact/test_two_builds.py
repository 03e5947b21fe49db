"""Two builds at once in one checkout, on a toy project. About 1 minute."""

import time

import pytest

from tests.processes import Build, running_in, until
from tests.tools import Project

pytestmark = pytest.mark.exact


def slow_and_counted(project: Project) -> None:
    """Make a toy stage take 6 seconds and record each of its runs."""
    project.set(
        "    text =",
        "    import time; time.sleep(6); open('runs', 'a').write('first ')\n    text =",
        "src/lemur/toy/first.py",
    )


def runs_first_stage(project: Project) -> bool:
    return any("run toy.first" in line for line in running_in(project.root))


def assert_built_once(project: Project) -> None:
    assert (project.root / "runs").read_text(encoding="utf-8") == "first "
    assert (project.root / "data/last.txt").read_text(encoding="utf-8") == "hello 4"
    assert "up to date" in project.run("dvc", "status")
    until(lambda: not running_in(project.root), seconds=20)


def test_second_snakemake_waits_and_finds_nothing_to_do(project: Project) -> None:
    slow_and_counted(project)
    first = Build(project, "snakemake", "--cores", "2")
    until(lambda: runs_first_stage(project))
    second = Build(project, "snakemake", "--cores", "2")
    assert "4 of 4" not in first.output()
    first.finish()
    output = second.finish()
    assert (first.process.returncode, second.process.returncode) == (0, 0), output
    assert f"Waiting for another build in this checkout: PID {first.process.pid}, " in output
    assert "Nothing to be done" in output
    assert_built_once(project)


def test_snakemake_killed_while_another_waits(project: Project) -> None:
    slow_and_counted(project)
    first = Build(project, "snakemake", "--cores", "2")
    until(lambda: runs_first_stage(project))
    second = Build(project, "snakemake", "--cores", "2")
    until(lambda: "Waiting for another build" in second.output())
    first.kill(group=False)
    second.finish()
    assert second.process.returncode == 0, second.output()
    assert_built_once(project)


def test_dvc_repro_beside_snakemake_stops_and_names_it(project: Project) -> None:
    slow_and_counted(project)
    first = Build(project, "snakemake", "--cores", "2")
    until(lambda: runs_first_stage(project))
    second = Build(project, "dvc", "repro")
    output = second.finish()
    assert second.process.returncode
    assert "is busy, it is being blocked by" in output or "Another build is running in this checkout: PID" in output
    first.finish()
    assert first.process.returncode == 0, first.output()
    assert_built_once(project)


def test_stage_of_dvc_repro_beside_snakemake_stops_before_it_starts(project: Project) -> None:
    project.run("snakemake", "--cores", "2")
    project.set("right: {value: 3}", "right: {value: 5}")
    slow_and_counted(project)
    first = Build(project, "snakemake", "--cores", "2", "data/first.txt")
    until(lambda: runs_first_stage(project))
    output = project.run("dvc", "repro", "--single-item", "last", "--force", ok=False)
    assert f"Another build is running in this checkout: PID {first.process.pid}, " in output
    first.finish()
    assert first.process.returncode == 0, first.output()


def test_snakemake_beside_dvc_repro_waits(project: Project) -> None:
    slow_and_counted(project)
    first = Build(project, "dvc", "repro")
    until(lambda: runs_first_stage(project))
    time.sleep(1)
    second = Build(project, "snakemake", "--cores", "2")
    until(lambda: "Waiting for another build" in second.output())
    first.finish()
    second.finish()
    # Snakemake may take over between two stages of `dvc repro`, which then says so and stops.
    assert second.process.returncode == 0, second.output()
    assert (
        first.process.returncode == 0 or "Another build is running" in first.output() or "is busy" in first.output()
    ), first.output()
    assert_built_once(project)
