"""Where the MLflow store is. An environment variable, because it decides no artifact."""

import os
from dataclasses import dataclass
from pathlib import Path

from lemur.tracking.provenance import original_checkout

URI_VARIABLE = "MLFLOW_TRACKING_URI"


@dataclass(frozen=True)
class Store:
    """`artifacts` None: the server decides. `lock` None: the store takes concurrent writers by itself."""

    uri: str
    artifacts: str | None
    lock: Path | None


def store(root: Path) -> Store:
    """MLFLOW_TRACKING_URI if set, else mlflow.db and mlruns/ in the checkout; one store for all its DVC experiments."""
    checkout = original_checkout(root)
    uri = os.environ.get(URI_VARIABLE) or f"sqlite:///{checkout / 'mlflow.db'}"
    if not uri.startswith("sqlite:///"):
        return Store(uri, None, None)
    database = Path(uri.removeprefix("sqlite:///").partition("?")[0]).absolute()
    database.parent.mkdir(parents=True, exist_ok=True)
    # SQLite gives a waiting writer 5 s by default, too few while `mlflow ui` migrates or reads.
    waiting = f"sqlite:///{database}?timeout=30"
    return Store(waiting, (database.parent / "mlruns").as_uri(), database.with_name(database.name + ".lock"))
