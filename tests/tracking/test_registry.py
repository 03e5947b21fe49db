"""Data sets, registered models, samples and speeds of runs, in a real SQLite store."""

import json
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from lemur.reporting.inputs import read_curve
from lemur.tracking.speed import ELSEWHERE, HERE, TAG
from lemur.tracking.store import KEY, UNFINISHED, put
from tests.tracking.test_track import PARAMS, checkout, run

LOCK = """
schema: '2.0'
stages:
  pack_corpus@base: {cmd: x, outs: [{path: data/corpus/packed_base/, md5: 0a1b.dir}]}
  base_model:
    cmd: x
    deps:
      - {path: data/corpus/packed_base/, md5: 0a1b.dir, size: 9, nfiles: 2}
      - {path: data/corpus/heldout/, md5: 4e.dir}
"""
SAMPLES = [
    {"id": f"q{n}", "prompt": "Why?" * 200, "extraction": "A", "target": "B", "correct": False} for n in range(7)
]
SCALE = PARAMS + "report: {scale: demo}\n"


def variant(root: Path, params: str, weights: str) -> None:
    if not root.exists():
        checkout(root)
    (root / "dvc.lock").write_text(LOCK, encoding="utf-8")
    (root / "params.yaml").write_text(params, encoding="utf-8")
    stages = root / "reports/stages"
    (stages / "pack_corpus_base.json").write_text('{"documents": 3, "fullness": 0.5}', encoding="utf-8")
    (stages / "base_model.json").write_text(json.dumps({"weights": weights}), encoding="utf-8")
    samples = root / "data/eval/base/mmlu.jsonl"
    samples.parent.mkdir(parents=True, exist_ok=True)
    samples.write_text("".join(json.dumps(sample) + "\n" for sample in SAMPLES), encoding="utf-8")
    run(root)
    assert "new run" in put(root)


def runs(client: MlflowClient, condition: str) -> list[Run]:
    return list(client.search_runs([client.get_experiment_by_name("lemur").experiment_id], condition))


def live_log(root: Path, change: float) -> None:
    curve = read_curve(root / "reports/training/base.csv")
    speed = {"tokens_per_second": 100.0, "seconds": 0.5, "cpu_percent": 99.0, "peak_memory_mib": 700.0}
    rows = [
        {"step": int(step), "loss": loss + change, **speed}
        for step, loss in zip(curve["step"], curve["loss"], strict=True)
        if step is not None and loss is not None
    ]
    path = root / ".lemur/live/base.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def test_what_a_run_shows_beside_its_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "checkout"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    client = MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}", f"sqlite:///{tmp_path / 'mlflow.db'}")
    live = checkout(root)
    live_log(live, 0)
    variant(root, SCALE, "w1")

    (parent,) = runs(client, f"tags.`{KEY}` != ''")
    table = client.load_table(parent.info.experiment_id, "samples.json", [parent.info.run_id])
    assert list(table["item"]) == ["q0", "q1", "q2", "q3", "q4"]
    assert set(table["outcome"]) == {"failed"} and max(table["prompt"].map(len)) <= 301

    (base,) = runs(client, "tags.`lemur.training` = 'base'")
    sets = {each.dataset.name: (each.dataset.digest, each.tags[0].value) for each in base.inputs.dataset_inputs}
    assert sets == {"corpus/packed_base": ("0a1b", "training"), "corpus/heldout": ("4e", "evaluation")}
    assert not parent.inputs.dataset_inputs  # in MLflow's table they would leave no room for metrics
    assert json.loads(base.inputs.dataset_inputs[0].dataset.profile) == {"documents": 3, "bytes": 9, "files": 2}
    assert base.data.tags[TAG] == HERE and base.data.metrics["system/tokens_per_second"] == 100
    assert base.data.metrics["system/training_seconds"] == 60
    assert base.data.metrics["system/cpu_percent"] == 99 and base.data.metrics["system/peak_memory_mib"] == 700
    (lemur,) = runs(client, "tags.`lemur.training` = 'lemur'")
    assert lemur.data.tags[TAG] == ELSEWHERE and not [name for name in lemur.data.metrics if "system/" in name]
    first = client.get_model_version_by_alias("lemur-base", "demo")
    assert (first.tags["lemur.weights"], first.run_id) == ("w1", base.info.run_id)
    logged = client.get_logged_model(first.source.removeprefix("models:/"))
    assert {metric.key: metric.value for metric in logged.metrics}["bits_per_byte/code"] == 1.9

    # Other parameters, equal weights: no new version. The log is now of another training.
    live_log(root, 0.1)
    variant(root, SCALE.replace("[1, 2]", "[3]"), "w1")
    assert client.get_model_version_by_alias("lemur-base", "demo").version == first.version
    newest = runs(client, "tags.`lemur.training` = 'base'")[0]
    assert newest.data.tags[TAG] == ELSEWHERE

    variant(root, SCALE.replace("[1, 2]", "[4]"), "w2")
    second = client.get_model_version_by_alias("lemur-base", "demo")
    assert (int(second.version), second.tags["lemur.weights"]) == (int(first.version) + 1, "w2")

    # An interrupted run takes its version with it.
    latest = runs(client, f"tags.`{KEY}` != ''")[0]
    client.set_tag(latest.info.run_id, UNFINISHED, latest.data.tags[KEY])
    client.delete_tag(latest.info.run_id, KEY)
    assert "new run" in put(root)
    versions = client.search_model_versions("name = 'lemur-base'")
    assert sorted(each.tags["lemur.weights"] for each in versions) == ["w1", "w2"]
    assert client.get_model_version_by_alias("lemur-base", "demo").run_id != second.run_id
