"""The location of the MLflow store. An environment variable sets it, because it affects no artifact."""

import os
from dataclasses import dataclass
from pathlib import Path

from lemur.tracking.provenance import original_checkout

URI_VARIABLE = "MLFLOW_TRACKING_URI"


@dataclass(frozen=True)
class Store:
    """`artifacts` None: the server decides. `lock` None: the store handles concurrent writers itself."""

    uri: str
    artifacts: str | None
    lock: Path | None


def store(root: Path) -> Store:
    """MLFLOW_TRACKING_URI if set, else mlflow.db and mlruns/ in the checkout, shared by all its DVC experiments."""
    checkout = original_checkout(root)
    uri = os.environ.get(URI_VARIABLE) or f"sqlite:///{checkout / 'mlflow.db'}"
    if not uri.startswith("sqlite:///"):
        return Store(uri, None, None)
    database = Path(uri.removeprefix("sqlite:///").partition("?")[0]).absolute()
    database.parent.mkdir(parents=True, exist_ok=True)
    # By default SQLite lets a writer wait 5 s, too short while `mlflow ui` migrates or reads.
    patient_uri = f"sqlite:///{database}?timeout=30"
    return Store(patient_uri, (database.parent / "mlruns").as_uri(), database.with_name(database.name + ".lock"))
