"""DVC experiments on the tiny build: what was tried is seen in `dvc exp show` and MLflow. About 6 minutes."""

import csv
import io
import json
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from tests.exact.conftest import copy, locked
from tests.tools import Project

pytestmark = [pytest.mark.exact, pytest.mark.timeout(1800)]

SCORE = "mmlu/lemur/acc"


def runs(project: Project) -> dict[str, Run]:
    """Runs of variants in the project's MLflow store, by the experiment's name ("" outside one)."""
    client = MlflowClient(tracking_uri=f"sqlite:///{project.root / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("lemur")
    assert experiment is not None
    found = client.search_runs([experiment.experiment_id], "tags.`lemur.variant` != ''")
    assert len({run.data.tags["lemur.variant"] for run in found}) == len(found)
    return {run.data.tags.get("lemur.experiment", ""): run for run in found}


def shown(project: Project) -> dict[str, dict[str, str]]:
    """Rows of `dvc exp show`, by the experiment's name."""
    rows = csv.DictReader(io.StringIO(project.run("dvc", "exp", "show", "--csv")))
    return {row["Experiment"]: row for row in rows if row["Experiment"]}


def test_experiments_are_seen_and_leave_the_baseline_alone(built: Project, tmp_path: Path) -> None:
    project = copy(built, tmp_path)
    before = locked(project)
    project.lemur("track")
    assert len(runs(project)) == 1

    # In the workspace.
    project.run("dvc", "exp", "run", "-n", "now", "-S", "+mmlu.limit=2")
    assert "limit: 2" in project.run("git", "diff", "params.yaml")
    result = json.loads((project.root / "reports/eval/lemur/mmlu.json").read_text(encoding="utf-8"))
    assert set(runs(project)) == {"", "now"}
    project.run("git", "checkout", ".")
    project.run("dvc", "checkout", "-q")
    assert locked(project) == before

    # Queued, with code that only the experiment's own commit has, and a sweep.
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

    said = project.run("dvc", "queue", "logs", "own_code")
    assert f"code of the experiment: {project.root}/.dvc/tmp/exps/" in said
    assert "code of the experiment" not in project.run("dvc", "queue", "logs", "sweep-1")

    # The baseline: files, records and outputs as they were.
    assert project.run("git", "status", "--porcelain") == ""
    assert locked(project) == before
    assert project.planned() == set()

    table, tracked = shown(project), runs(project)
    expected = {"now": "2", "own_code": "3", "sweep-1": "4", "sweep-2": "5", "sweep-3": "6"}
    assert set(expected) <= set(table)
    assert set(expected) | {""} == set(tracked)
    for name, limit in expected.items():
        assert table[name]["mmlu.limit"] == limit
        assert tracked[name].data.params["mmlu.limit"] == limit
        assert 0 <= tracked[name].data.metrics[SCORE] <= 1
    assert tracked["now"].data.metrics[SCORE] == result["results"]["mmlu"]["acc,none"]
    assert len({tracked[name].data.metrics[SCORE] for name in expected}) > 1
