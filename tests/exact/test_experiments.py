"""DVC experiments on the tiny build: `dvc exp show` and MLflow show them. About 6 minutes."""

import csv
import io
import json
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from tests.exact.conftest import copy, locked_hashes
from tests.tools import Project

pytestmark = [pytest.mark.exact, pytest.mark.timeout(1800)]

SCORE = "mmlu/lemur/acc"


def runs(project: Project) -> dict[str, Run]:
    """Runs of variants in the project's MLflow store, by experiment name ("" outside an experiment)."""
    client = MlflowClient(tracking_uri=f"sqlite:///{project.root / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("lemur")
    assert experiment is not None
    variants = client.search_runs([experiment.experiment_id], "tags.`lemur.variant` != ''")
    assert len({run.data.tags["lemur.variant"] for run in variants}) == len(variants)
    return {run.data.tags.get("lemur.experiment", ""): run for run in variants}


def experiment_table(project: Project) -> dict[str, dict[str, str]]:
    """Rows of `dvc exp show`, by experiment name."""
    rows = csv.DictReader(io.StringIO(project.run("dvc", "exp", "show", "--csv")))
    return {row["Experiment"]: row for row in rows if row["Experiment"]}


def test_experiments_are_shown_and_leave_the_baseline_unchanged(built: Project, tmp_path: Path) -> None:
    project = copy(built, tmp_path)
    before = locked_hashes(project)
    project.lemur("track")
    assert len(runs(project)) == 1

    # In the workspace.
    project.run("dvc", "exp", "run", "-n", "now", "-S", "+mmlu.limit=2")
    assert "limit: 2" in project.run("git", "diff", "params.yaml")
    result = json.loads((project.root / "reports/eval/lemur/mmlu.json").read_text(encoding="utf-8"))
    assert set(runs(project)) == {"", "now"}
    project.run("git", "checkout", ".")
    project.run("dvc", "checkout", "-q")
    assert locked_hashes(project) == before

    # Queued: one with code that only its own commit has, and a sweep.
    module = project.root / "src/lemur/evaluation/mmlu.py"
    text = module.read_text(encoding="utf-8")
    module.write_text(f'{text}\n\nprint("code of the experiment:", __file__)\n', encoding="utf-8")
    project.run("dvc", "exp", "run", "--queue", "-n", "own_code", "-S", "+mmlu.limit=3")
    module.write_text(text, encoding="utf-8")
    project.run("dvc", "exp", "run", "--queue", "-n", "sweep", "-S", "+mmlu.limit=4,5,6")
    assert project.run("git", "status", "--porcelain") == ""
    project.run("dvc", "queue", "start")
    project.run("dvc", "queue", "logs", "own_code", "--follow")
    for number in (1, 2, 3):
        project.run("dvc", "queue", "logs", f"sweep-{number}", "--follow")
    assert "Failed" not in project.run("dvc", "queue", "status")

    output = project.run("dvc", "queue", "logs", "own_code")
    assert f"code of the experiment: {project.root}/.dvc/tmp/exps/" in output
    assert "code of the experiment" not in project.run("dvc", "queue", "logs", "sweep-1")

    # The baseline's files, dvc.lock and outputs are unchanged.
    assert project.run("git", "status", "--porcelain") == ""
    assert locked_hashes(project) == before
    assert project.planned() == set()

    table, tracked = experiment_table(project), runs(project)
    expected = {"now": "2", "own_code": "3", "sweep-1": "4", "sweep-2": "5", "sweep-3": "6"}
    assert set(expected) <= set(table)
    assert set(expected) | {""} == set(tracked)
    for name, limit in expected.items():
        assert table[name]["mmlu.limit"] == limit
        assert tracked[name].data.params["mmlu.limit"] == limit
        assert 0 <= tracked[name].data.metrics[SCORE] <= 1
    assert tracked["now"].data.metrics[SCORE] == result["results"]["mmlu"]["acc,none"]
    assert len({tracked[name].data.metrics[SCORE] for name in expected}) > 1
