"""Writes one variant to MLflow: `python -m lemur.tracking.store ROOT`. Only this module and `registry` import mlflow.

The tag `lemur.variant` identifies a run. It is set last: a run without it was interrupted and is replaced.
"""

import fcntl
import json
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from mlflow.utils.validation import (
    MAX_METRICS_PER_BATCH,
    MAX_PARAM_VAL_LENGTH,
    MAX_PARAMS_TAGS_PER_BATCH,
    MAX_TAG_VAL_LENGTH,
)
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_fixed

from lemur.core import workers
from lemur.reporting.inputs import MODELS, TRAININGS
from lemur.tracking import datasets, headline, provenance, registry, samples, speed
from lemur.tracking.location import URI_VARIABLE, store
from lemur.tracking.variant import CURVES, Variant, read

Item = TypeVar("Item")
EXPERIMENT = "lemur"
KEY, UNFINISHED = "lemur.variant", "lemur.variant.unfinished"
POINTS = 2000
"""Maximum steps of a curve in MLflow (0.2 s per thousand values); the whole curve is an artifact of its run."""
SPEEDS = 100
"""The same for the speeds of a training, which differ little."""
MAX_PARAMS = 500


def put(root: Path) -> str:
    """Write the variant below `root` unless it has a run. Returns a sentence that says which."""
    variant = read(root)
    location = store(root)
    with _locked(location.lock):
        mlflow.set_tracking_uri(location.uri)
        client = MlflowClient()
        experiment = _experiment(client, location.artifacts)
        runs = _search(client, experiment, KEY, variant.key)
        if runs:
            return f"MLflow: this variant already has a run ({runs[0]})"
        for unfinished in _search(client, experiment, UNFINISHED, variant.key):
            _delete(client, experiment, unfinished)
        run = _write(client, experiment, variant, root)
        return f"MLflow: new run {run} in experiment {EXPERIMENT}, variant {variant.key[:10]}"


def page(root: Path) -> str:
    """The table of runs, as the end of the address of a server over this checkout's store."""
    location = store(root)
    with _locked(location.lock):
        experiment = _experiment(MlflowClient(tracking_uri=location.uri), location.artifacts)
    return f"#/experiments/{experiment}/runs?workflowType=machine_learning"


def _write(client: MlflowClient, experiment: str, variant: Variant, root: Path) -> str:
    name = headline.name(variant)
    parent = client.create_run(experiment, tags={UNFINISHED: variant.key}, run_name=name).info
    stages = provenance.locked_stages(root)
    data = datasets.read_by_trainings(stages, variant.reports)
    origin = provenance.tags(root)
    for model, values in variant.curves.items():
        title = MODELS.get(model, model)
        speeds = speed.measured(root, model, values)
        tags = {"mlflow.parentRunId": parent.run_id, "lemur.training": model, UNFINISHED: variant.key}
        tags |= {speed.TAG: speed.HERE if speeds else speed.ELSEWHERE}
        child = client.create_run(experiment, tags=tags, run_name=f"{name} {title} training").info
        params = {key: value for key, value in variant.params.items() if key.startswith(f"{TRAININGS.get(model)}.")}
        _log(client, child.run_id, params, [*_thin(values), *_thin(speeds, SPEEDS)], child.start_time)
        _log_data(client, child.run_id, data.get(model, []))
        client.log_artifact(child.run_id, str(root / CURVES / f"{model}.csv"))
        if weights := variant.reports.get(TRAININGS.get(model, ""), {}).get("weights"):
            scale = variant.params.get("report.scale", "")
            logged = registry.register(client, model, str(weights), scale, child, origin)
            scores = [(key, value, 0) for key, value in registry.scores(variant, model).items()]
            _log(client, child.run_id, {}, scores, child.start_time, logged)
        client.delete_tag(child.run_id, UNFINISHED)
        client.set_terminated(child.run_id)
    final = [(key, value, 0) for key, value in {**headline.metrics(variant), **variant.metrics}.items()]
    _log(client, parent.run_id, variant.params, final, parent.start_time)
    tags = {**headline.tags(variant), **origin}
    run_tags = [RunTag(_name(key), value[:MAX_TAG_VAL_LENGTH]) for key, value in tags.items()]
    for batch in _batches(run_tags, MAX_PARAMS_TAGS_PER_BATCH):
        client.log_batch(parent.run_id, tags=batch)
    client.log_dict(parent.run_id, provenance.record(root, stages), "provenance.json")
    if table := samples.table(root):
        client.log_table(parent.run_id, table, "samples.json")
    for path in variant.files:
        client.log_artifact(parent.run_id, str(path))
    client.set_terminated(parent.run_id)
    client.set_tag(parent.run_id, KEY, variant.key)
    client.delete_tag(parent.run_id, UNFINISHED)
    return str(parent.run_id)


def _log(
    client: MlflowClient,
    run: str,
    params: dict[str, str],
    metrics: Sequence[tuple[str, float, int]],
    start: int,
    model: str | None = None,
) -> None:
    """`start`: the run's, in ms since 1970; `model`: the logged model whose metrics they are."""
    run_params = [Param(_name(key), value[:MAX_PARAM_VAL_LENGTH]) for key, value in list(params.items())[:MAX_PARAMS]]
    for params_batch in _batches(run_params, MAX_PARAMS_TAGS_PER_BATCH):
        client.log_batch(run, params=params_batch)
    run_metrics = [Metric(_name(key), value, start + step, step, model) for key, value, step in metrics]
    for batch in _batches(run_metrics, MAX_METRICS_PER_BATCH):
        client.log_batch(run, metrics=batch)


def _log_data(client: MlflowClient, run: str, data: Sequence[datasets.Data]) -> None:
    inputs = [
        DatasetInput(
            Dataset(each.name, each.digest, "local", json.dumps({"uri": each.path}), None, json.dumps(each.profile)),
            [InputTag("mlflow.data.context", each.context)],
        )
        for each in data
    ]
    if inputs:
        client.log_inputs(run, inputs)


def _thin(values: list[tuple[str, float, int]], points: int = POINTS) -> list[tuple[str, float, int]]:
    """Keep about `points` evenly spaced steps, and every step with a held-out loss."""
    steps = sorted({step for _, _, step in values})
    every = max(1, -(-len(steps) // points))
    chosen = {*steps[::every], *steps[-1:], *(step for name, _, step in values if name.startswith("heldout"))}
    return [value for value in values if value[2] in chosen]


def _experiment(client: MlflowClient, artifacts: str | None) -> str:
    """The experiment's id; creates it if needed. Another process may create it at the same time."""
    experiment = client.get_experiment_by_name(EXPERIMENT)
    if experiment is None:
        try:
            return str(client.create_experiment(EXPERIMENT, artifact_location=artifacts))
        except MlflowException:
            experiment = client.get_experiment_by_name(EXPERIMENT)
            if experiment is None:
                raise
    if experiment.lifecycle_stage == "deleted":
        client.restore_experiment(experiment.experiment_id)
    return str(experiment.experiment_id)


def _search(client: MlflowClient, experiment: str, tag: str, value: str) -> list[str]:
    return [run.info.run_id for run in client.search_runs([experiment], f"tags.`{tag}` = '{value}'")]


def _delete(client: MlflowClient, experiment: str, run: str) -> None:
    for child in _search(client, experiment, "mlflow.parentRunId", run):
        registry.forget(client, experiment, child)
        client.delete_run(child)
    client.delete_run(run)


def _name(key: str) -> str:
    """`key` with the characters that MLflow allows."""
    return re.sub(r"[^\w\-./ :]", "_", key)[:250]


def _batches(values: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    for start in range(0, len(values), size):
        yield values[start : start + size]


@contextmanager
def _locked(lock: Path | None) -> Iterator[None]:
    """Admits one writer at a time: MLflow does not create a SQLite store atomically. The caller limits the wait."""
    if lock is None:
        yield
        return
    with lock.open("w", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


_when_unlocked = Retrying(  # the UI, or a reader of another version, may hold the database
    retry=retry_if_exception(lambda error: isinstance(error, MlflowException) and "database is locked" in str(error)),
    stop=stop_after_attempt(4),
    wait=wait_fixed(2),
    reraise=True,
)


def usable(call: Callable[[Path], str], root: Path) -> str:
    """The result of `put` or `page`; ends with one line if the store cannot be used."""
    try:
        return _when_unlocked(call, root)
    except MlflowException as error:
        raise SystemExit(f"{URI_VARIABLE}: {str(error).strip().splitlines()[-1]}") from None
    except (OSError, ValueError) as error:
        raise SystemExit(str(error)) from None


def main() -> None:
    workers.end_with_parent()
    print(usable(put, Path(sys.argv[1])))


if __name__ == "__main__":
    main()
