"""The Snakefile and DVC, with the real tools on a toy project. More: test_builds.py."""

from .conftest import Project

ALL = {"first", "fork_left", "fork_right", "last"}


def test_build_then_nothing_to_do(project: Project) -> None:
    assert project.planned() == ALL
    project.run("snakemake", "--cores", "2")
    assert (project.root / "data/last.txt").read_text(encoding="utf-8") == "hello 4"
    assert project.planned() == set()
    assert "up to date" in project.run("dvc", "status")
    assert "didn't change, skipping" in project.run("dvc", "repro", "-v")


def test_an_edited_module_reruns_the_stages_that_use_it(project: Project) -> None:
    project.run("dvc", "repro", "-q")
    project.set("{params.value}", "{params.value + 1}", "src/lemur/toy/fork.py")
    assert project.planned() == {"fork_left", "fork_right", "last"}


def test_a_failure_names_stage_log_and_command_and_other_stages_continue(project: Project) -> None:
    project.set("left: {value: 2}", "left: {value: -1}")
    output = project.run("snakemake", "--cores", "2", "--keep-going", ok=False)
    assert "Error in rule fork_left" in output
    assert "logs/fork_left.log" in output
    assert "--single-item fork@left" in output
    assert "value is below zero" in (project.root / "logs/fork_left.log").read_text(encoding="utf-8")
    assert (project.root / "data/fork_right/text").exists()
    assert not (project.root / "data/fork_left").exists()
    assert not list(project.root.rglob("*.partial"))


def test_a_bad_parameter_stops_at_once_with_its_key(project: Project) -> None:
    project.set("last: {value: 4}", "last: {value: four, wrong: 1}\nunread: 3")
    output = project.run("snakemake", "-n", ok=False)
    assert "params.yaml:3: last.value: found 'four'" in output
    assert "params.yaml:3: last.wrong: unknown key; allowed here: value" in output
    assert "params.yaml:4: unread: no stage reads this key" in output
