"""Both front ends, `snakemake` and `dvc repro`, agree on what to do and on every byte. About 4 minutes on one core."""

from pathlib import Path
from typing import Any

import pytest

from lemur.core.files import DAG, read_yaml
from lemur.pipeline.build.dag import Dag
from tests.exact.conftest import copy, executed_rules, rules
from tests.leaves import declaring_stages, to_yaml, with_value
from tests.tools import Project

pytestmark = pytest.mark.exact

STAGES = read_yaml(DAG)
SNAKEMAKE = ["snakemake", "--cores", "2"]
REPRO = ["dvc", "repro"]


@pytest.fixture(scope="module")
def pair(built: Project, tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, Project]:
    """Two copies that share no cache: each must run its stages itself."""
    return copy(built, tmp_path_factory.mktemp("snakemake")), copy(built, tmp_path_factory.mktemp("repro"))


def test_nothing_is_left_to_do_after_a_build(built: Project, tmp_path: Path) -> None:
    project = copy(built, tmp_path)
    assert "up to date" in project.run("dvc", "status")
    assert executed_rules(project, *REPRO) == set()
    assert project.planned() == set()
    assert project.run("git", "status", "--porcelain") == ""


@pytest.mark.parametrize(
    ("leaf", "value"),
    [
        ("fetch.llama2_tokenizer.place", "package"),  # one of two inputs that this tokenizer does not use
        ("english_filter.foreign_run", 1),
        ("tokenizer.seed", 1),  # changes nothing, because the sample takes all of the tiny data
        ("mmlu.shots", 1),
    ],
)
def test_a_changed_parameter_runs_the_same_under_both(
    pair: tuple[Project, Project], dag: Dag, leaf: str, value: Any
) -> None:
    by_snakemake, by_repro = pair
    before = locked_stages(by_snakemake)
    for project in pair:
        params = project.root / "params.yaml"
        params.write_text(to_yaml(with_value(read_yaml(params), leaf, value)), encoding="utf-8")
    declaring = declaring_stages(STAGES, "params.yaml", leaf)
    assert by_snakemake.planned() == by_repro.planned() == rules(dag.descendants(declaring))

    ran_by_snakemake = executed_rules(by_snakemake, *SNAKEMAKE)
    ran_by_repro = executed_rules(by_repro, *REPRO)

    after = locked_stages(by_snakemake)
    touched = {name for name in after if inputs(after[name]) != inputs(before[name])}
    assert ran_by_snakemake == ran_by_repro == rules(declaring | touched)
    if leaf != "mmlu.shots":  # another number of shots may change the answers
        assert rules(declaring | touched) < rules(dag.descendants(declaring)), "some stages did not have to run"
    assert (by_snakemake.root / "dvc.lock").read_bytes() == (by_repro.root / "dvc.lock").read_bytes()
    for project in pair:
        assert project.planned() == set()
        assert "up to date" in project.run("dvc", "status")
    assert executed_rules(by_snakemake, *REPRO) == set()


def test_another_library_version_stops_its_stages_under_both(pair: tuple[Project, Project]) -> None:
    for project, command in zip(pair, (SNAKEMAKE, REPRO), strict=True):
        before = (project.root / "dvc.lock").read_bytes()
        environment = project.root / "environment.yaml"
        recorded = read_yaml(environment)
        environment.write_text(to_yaml(with_value(recorded, "packages.langdetect", "0.0.1")), encoding="utf-8")
        project.run(*command, ok=False)
        log = project.run("dvc", "repro", "--single-item", "english_filter", ok=False)
        assert f"packages.langdetect: 0.0.1 recorded, {recorded['packages']['langdetect']} installed" in log
        assert (project.root / "dvc.lock").read_bytes() == before
        project.run("git", "checkout", "-q", "environment.yaml")
        assert executed_rules(project, *command) == set(), "the cache restores what the failed build removed"
        assert project.planned() == set()


def locked_stages(project: Project) -> dict[str, Any]:
    return read_yaml(project.root / "dvc.lock")["stages"]


def inputs(stage: dict[str, Any]) -> dict[str, str]:
    return {dep["path"]: dep["md5"] for dep in stage["deps"]}
