"""MLflow as a projection of the artifacts, with real SQLite stores. Starting mlflow takes seconds: few starts."""

import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path
from types import SimpleNamespace

import pytest
import tenacity
from mlflow import MlflowClient
from mlflow.entities import Run, ViewType
from mlflow.exceptions import MlflowException

from lemur.core.records import read_json
from lemur.tracking import store as store_module
from lemur.tracking.project import project
from lemur.tracking.store import KEY, UNFINISHED, put
from lemur.tracking.ui import ui
from tests.tracking.test_track import PARAMS, checkout, run

LOCK = """
schema: '2.0'
stages:
  pack: {cmd: x, outs: [{path: data/corpus/packed_lemur/, hash: md5, md5: 0a1b.dir}, {path: reports/x.json, md5: ff}]}
  train: {cmd: x, outs: [{path: models/lemur, hash: md5, md5: 2c3d.dir}]}
"""


@pytest.fixture(autouse=True)
def _default_store(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MLFLOW_TRACKING_URI", "DVC_EXP_NAME", "DVC_EXP_BASELINE_REV"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A Git checkout with artifacts, projected by two processes at the same time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        root = checkout(tmp_path_factory.mktemp("checkout"))
        (root / "dvc.lock").write_text(LOCK, encoding="utf-8")
        (root / ".gitignore").write_text("mlflow.db*\nmlruns/\n", encoding="utf-8")
        git = ["git", "-C", str(root), "-c", "user.name=t", "-c", "user.email=t@example.org"]
        for arguments in (["init", "-q"], ["add", "."], ["commit", "-qm", "x"]):
            subprocess.run([*git, *arguments], check=True)
        with ThreadPoolExecutor(2) as pool:
            assert list(pool.map(project, [root, root])) == [True, True]
        yield root


def client(root: Path) -> MlflowClient:
    return MlflowClient(tracking_uri=f"sqlite:///{root / 'mlflow.db'}")


def runs(root: Path, condition: str = "", view: int = ViewType.ACTIVE_ONLY) -> list[Run]:
    store = client(root)
    experiment = store.get_experiment_by_name("lemur")
    return list(store.search_runs([experiment.experiment_id], condition, run_view_type=view))


def test_concurrent_processes_create_one_run(root: Path) -> None:
    assert len(runs(root, f"tags.`{KEY}` != ''")) == 1
    assert len(runs(root, view=ViewType.ALL)) == 4


def test_a_run_has_params_metrics_tags_artifacts_and_one_child_per_training(root: Path) -> None:
    (parent,) = runs(root, f"tags.`{KEY}` != ''")
    assert parent.info.status == "FINISHED"
    assert parent.data.params["base_model.steps"] == "120"
    assert parent.data.params["mmlu.shots"] == "[1, 2]"
    assert parent.data.metrics["mmlu/lemur/acc"] == 0.25
    assert parent.info.run_name == f"variant {parent.data.tags[KEY][:6]}"
    assert "Lemur bits per byte on code: " in parent.data.tags["mlflow.note.content"]
    assert parent.data.tags["mlflow.source.name"] == "dvc.yaml" and parent.data.tags["mlflow.user"]
    assert sorted(parent.data.metrics)[:6] == [
        f"0 headline/{title} bits per byte on {kind}"
        for title, kind in sorted(product(("Base", "Lemur", "Lemur-Chat"), ("code", "text")))
    ]
    same = parent.data.metrics["bits_per_byte/lemur/code"]
    assert parent.data.metrics["0 headline/Lemur bits per byte on code"] == same
    path = client(root).download_artifacts(parent.info.run_id, "provenance.json")
    assert read_json(Path(path))["dvc"] == {"data/corpus/packed_lemur": "0a1b.dir", "models/lemur": "2c3d.dir"}
    assert not [tag for tag in parent.data.tags if tag.startswith(("dvc/", "environment/"))]
    assert parent.data.tags["lemur.git.dirty"] == "false"
    assert len(parent.data.tags["mlflow.source.git.commit"]) == 40
    assert {file.path for file in client(root).list_artifacts(parent.info.run_id)} == {
        "report.md",
        "params.yaml",
        "variant.json",
        "provenance.json",
    }
    children = runs(root, f"tags.mlflow.parentRunId = '{parent.info.run_id}'")
    assert {child.data.tags["lemur.training"] for child in children} == {"base", "lemur", "lemur_chat"}
    base = next(child for child in children if child.data.tags["lemur.training"] == "base")
    history = client(root).get_metric_history(base.info.run_id, "loss")
    assert [point.step for point in history] == list(range(1, 121))
    assert len(client(root).get_metric_history(base.info.run_id, "heldout_code_loss")) == 6
    assert base.data.params == {"base_model.steps": "120"}
    assert (root / "mlruns").is_dir()


def test_the_ui_prints_the_address_of_the_runs(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    started: list[list[str]] = []
    monkeypatch.setattr("os.execve", lambda program, arguments, environment: started.append(arguments))
    monkeypatch.setenv("MLFLOW_PORT", "5432")
    ui(root)
    experiment = client(root).get_experiment_by_name("lemur").experiment_id
    assert f"http://127.0.0.1:5432/#/experiments/{experiment}/runs" in capsys.readouterr().out
    (arguments,) = started
    assert arguments[arguments.index("--host") + 1] == "127.0.0.1" and "5432" in arguments


def test_the_ui_says_in_one_line_that_the_stores_folder_cannot_be_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/file/mlflow.db")
    with pytest.raises(SystemExit, match=rf"^MLFLOW_TRACKING_URI: .*{tmp_path}/file") as end:
        ui(checkout(tmp_path / "checkout"))
    assert "\n" not in str(end.value)


def test_an_unchanged_variant_adds_nothing_at_any_commit(root: Path) -> None:
    before = [(run.info.run_id, run.info.end_time) for run in runs(root, view=ViewType.ALL)]
    git = ["git", "-C", str(root), "-c", "user.name=t", "-c", "user.email=t@example.org"]
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "y"], check=True)
    assert "already has a run" in put(root)
    assert [(run.info.run_id, run.info.end_time) for run in runs(root, view=ViewType.ALL)] == before


def test_an_experiments_variant_is_comparable_in_the_same_store(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DVC_EXP_NAME", "more-steps")
    monkeypatch.setenv("DVC_EXP_BASELINE_REV", "abc")
    queued = checkout(root / ".dvc/tmp/exps/tmpabc", PARAMS.replace("120", "240"), code_loss=1.5)
    assert "new run" in put(queued)
    assert not (queued / "mlflow.db").exists()
    new, old = runs(root, f"tags.`{KEY}` != ''")
    assert (new.data.params["base_model.steps"], old.data.params["base_model.steps"]) == ("240", "120")
    assert new.data.params.keys() == old.data.params.keys()
    assert new.data.metrics.keys() == old.data.metrics.keys()
    assert new.info.run_name == new.data.tags["lemur.experiment"] == "more-steps"


def test_interrupted_and_deleted_runs_are_replaced(root: Path) -> None:
    key = json.loads((root / "reports/variant.json").read_text(encoding="utf-8"))["key"]
    (old,) = runs(root, f"tags.`{KEY}` = '{key}'")
    client(root).delete_tag(old.info.run_id, KEY)
    client(root).set_tag(old.info.run_id, UNFINISHED, key)
    assert "new run" in put(root)
    (new,) = runs(root, f"tags.`{KEY}` = '{key}'")
    assert new.info.run_id != old.info.run_id
    assert not runs(root, f"tags.mlflow.parentRunId = '{old.info.run_id}'")
    assert not runs(root, f"tags.`{UNFINISHED}` = '{key}'")
    client(root).delete_run(new.info.run_id)
    assert "new run" in put(root)


@pytest.mark.parametrize(
    ("uri", "timeout", "reason"),
    [
        ("http://127.0.0.1:9", 60.0, "127.0.0.1"),
        ("sqlite:////proc/nowhere/mlflow.db", 60.0, "nowhere"),
        ("http://127.0.0.1:9", 0.05, "no answer within 0.05 s"),
    ],
)
def test_an_unreachable_store_causes_one_warning_and_changes_nothing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    uri: str,
    timeout: float,
    reason: str,
) -> None:
    root = checkout(tmp_path / "checkout")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    with caplog.at_level(logging.INFO):
        assert not project(root, timeout)
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert reason in record.message
    assert "`make track` tries again" in record.message
    assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == before


def test_the_store_can_be_rebuilt_from_the_artifacts(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (before,) = runs(root, f"tags.`{KEY}` != '' and params.`base_model.steps` = '120'")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    assert "new run" in put(root)
    (after,) = runs(tmp_path, f"tags.`{KEY}` != ''")
    assert after.data.params == before.data.params
    assert after.data.metrics == before.data.metrics
    assert run(root) == after.data.tags[KEY]


@pytest.mark.parametrize(
    ("failures", "message", "status"),
    [(3, "database is locked", 0), (4, "database is locked", 1), (1, "no such table", 1)],
)
def test_a_locked_database_is_tried_four_times(
    failures: int, message: str, status: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    left, slept = [failures], []

    def put(root: Path) -> str:
        left[0] -= 1
        if left[0] >= 0:
            raise MlflowException(f"(sqlite3.OperationalError)\n{message}")
        return "done"

    monkeypatch.setattr(tenacity.nap, "time", SimpleNamespace(sleep=lambda seconds: slept.append(float(seconds))))
    monkeypatch.setattr(store_module, "put", put)
    monkeypatch.setattr(store_module.workers, "end_with_parent", lambda: None)
    monkeypatch.setattr(sys, "argv", ["store", "nowhere"])
    if status:
        with pytest.raises(SystemExit, match=f"^MLFLOW_TRACKING_URI: {message}$"):
            store_module.main()
    else:
        store_module.main()
        assert capsys.readouterr().out == "done\n"
    assert slept == ([2.0] * 3 if message == "database is locked" else [])
