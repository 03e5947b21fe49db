"""Commands under the heading Share."""

from typing import Annotated

import typer


def remote(
    url: Annotated[
        str | None,
        typer.Argument(metavar="URL", help="A folder, ssh://HOST/PATH, s3://BUCKET/PATH or gs://BUCKET/PATH."),
    ] = None,
) -> None:
    """Show or set where `lemur pull` and `dvc push` go.

    Example: lemur remote ssh://host/srv/lemur
    """
    from lemur.pipeline.build.remote import remote

    remote(url)


def pull() -> None:
    """Fetch the artifacts of dvc.lock instead of building them.

    Runs `dvc pull` from the place that `lemur remote` shows. If something is missing or damaged there, says what to do;
    the status is then 1.

    Example: lemur pull
    """
    from lemur.pipeline.build.remote import pull

    pull()


def track() -> None:
    """Make the MLflow run of this checkout's artifacts again.

    Every build does this at its end, in the store that MLFLOW_TRACKING_URI names (mlflow.db in the checkout).

    Example: lemur track
    """
    import logging

    from lemur.core.files import ROOT
    from lemur.tracking.project import project

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    raise SystemExit(0 if project(ROOT, timeout=600) else 1)


def ui() -> None:
    """Open the MLflow UI on 127.0.0.1:5000.

    Shows the runs of this checkout, or of the store that MLFLOW_TRACKING_URI names, until Ctrl-C. MLFLOW_PORT sets
    another port.

    Example: MLFLOW_PORT=5001 lemur ui
    """
    from lemur.core.files import ROOT
    from lemur.tracking.ui import ui

    ui(ROOT)
