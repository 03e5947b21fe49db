"""Two builds at once in one checkout, on a toy project. About 1 minute."""

import time

import pytest

from tests.processes import Build, running_in, until
from tests.tools import Project

pytestmark = pytest.mark.exact


def slow_and_counted(project: Project) -> None:
    """Make a toy stage take 6 seconds and leave a line for each time it runs."""
    project.set(
        "    text =",
        "    import time; time.sleep(6); open('runs', 'a').write('first ')\n    text =",
        "src/lemur/toy/first.py",
    )


def starts_first(project: Project) -> bool:
    return any("run toy.first" in line for line in running_in(project.root))


def built_once(project: Project) -> None:
    assert (project.root / "runs").read_text(encoding="utf-8") == "first "
    assert (project.root / "data/last.txt").read_text(encoding="utf-8") == "hello 4"
    assert "up to date" in project.run("dvc", "status")
    until(lambda: not running_in(project.root), seconds=20)


def test_second_snakemake_waits_and_finds_nothing_to_do(project: Project) -> None:
    slow_and_counted(project)
    one = Build(project, "snakemake", "--cores", "2")
    until(lambda: starts_first(project))
    other = Build(project, "snakemake", "--cores", "2")
    assert "4 of 4" not in one.said()
    one.finish()
    said = other.finish()
    assert (one.process.returncode, other.process.returncode) == (0, 0), said
    assert f"Waiting for another build in this checkout: PID {one.process.pid}, " in said
    assert "Nothing to be done" in said
    built_once(project)


def test_snakemake_killed_while_another_waits(project: Project) -> None:
    slow_and_counted(project)
    one = Build(project, "snakemake", "--cores", "2")
    until(lambda: starts_first(project))
    other = Build(project, "snakemake", "--cores", "2")
    until(lambda: "Waiting for another build" in other.said())
    one.kill(group=False)
    other.finish()
    assert other.process.returncode == 0, other.said()
    built_once(project)


def test_dvc_repro_beside_snakemake_stops_and_names_it(project: Project) -> None:
    slow_and_counted(project)
    one = Build(project, "snakemake", "--cores", "2")
    until(lambda: starts_first(project))
    other = Build(project, "dvc", "repro")
    said = other.finish()
    assert other.process.returncode
    assert "is busy, it is being blocked by" in said or "Another build runs in this checkout: PID" in said
    one.finish()
    assert one.process.returncode == 0, one.said()
    built_once(project)


def test_stage_of_dvc_repro_beside_snakemake_stops_before_it_starts(project: Project) -> None:
    project.run("snakemake", "--cores", "2")
    project.set("right: {value: 3}", "right: {value: 5}")
    slow_and_counted(project)
    one = Build(project, "snakemake", "--cores", "2", "data/first.txt")
    until(lambda: starts_first(project))
    said = project.run("dvc", "repro", "--single-item", "last", "--force", ok=False)
    assert f"Another build runs in this checkout: PID {one.process.pid}, " in said
    one.finish()
    assert one.process.returncode == 0, one.said()


def test_snakemake_beside_dvc_repro_waits(project: Project) -> None:
    slow_and_counted(project)
    one = Build(project, "dvc", "repro")
    until(lambda: starts_first(project))
    time.sleep(1)
    other = Build(project, "snakemake", "--cores", "2")
    until(lambda: "Waiting for another build" in other.said())
    one.finish()
    other.finish()
    # Between two stages of `dvc repro`, Snakemake may take over; `dvc repro` then says so and stops.
    assert other.process.returncode == 0, other.said()
    assert one.process.returncode == 0 or "Another build runs" in one.said() or "is busy" in one.said(), one.said()
    built_once(project)
