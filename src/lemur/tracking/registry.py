"""The three models of a variant in MLflow's model registry. Their weights stay with DVC: MLflow has no second copy."""

import mlflow
from mlflow import MlflowClient
from mlflow.entities import RunInfo
from mlflow.exceptions import MlflowException

from lemur.tracking.variant import Variant

NAMES = {"base": "lemur-base", "lemur": "lemur", "lemur_chat": "lemur-chat"}
WEIGHTS = "lemur.weights"


def register(client: MlflowClient, model: str, weights: str, scale: str, run: RunInfo, tags: dict[str, str]) -> str:
    """Log `model` and make it a version, unless one has the same weights; move the scale's alias to it.

    `weights`: their hash. `run`: that of its training. Returns the id of the logged model, which gets the scores. Uses
    the store of `mlflow.set_tracking_uri`.
    """
    name = NAMES[model]
    params = {"path": f"models/{model}", "weights": weights} | ({"scale": scale} if scale else {})
    logged = mlflow.create_external_model(name, run.run_id, tags, params, "causal language model", run.experiment_id)
    try:
        client.create_registered_model(name, description=_description(model))
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    same = client.search_model_versions(f"name = '{name}' and tags.`{WEIGHTS}` = '{weights}'")
    version = (
        same[0]
        if same
        else client.create_model_version(
            name,
            f"models:/{logged.model_id}",
            run.run_id,
            {WEIGHTS: weights, **tags},
            description=_description(model),
            model_id=logged.model_id,
        )
    )
    if scale:
        client.set_registered_model_alias(name, scale, version.version)
    return str(logged.model_id)


def scores(variant: Variant, model: str) -> dict[str, float]:
    """The metrics of a model without its name: `mmlu/acc`."""
    return {key.replace(f"/{model}/", "/"): value for key, value in variant.metrics.items() if f"/{model}/" in key}


def forget(client: MlflowClient, experiment: str, run: str) -> None:
    """Delete what `register` made for the run of an interrupted training."""
    for version in client.search_model_versions(f"run_id = '{run}'"):
        client.delete_model_version(version.name, version.version)
    for logged in client.search_logged_models([experiment], f"source_run_id = '{run}'"):
        client.delete_logged_model(logged.model_id)


def _description(model: str) -> str:
    return (
        f"Weights: `git checkout COMMIT && dvc pull models/{model}`, where COMMIT is the tag `lemur.git.commit`. "
        "Aliases are scales: each names the newest variant's version."
    )
