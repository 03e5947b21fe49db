"""Commands under the heading Share."""

from pathlib import Path
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


def publish(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A model folder, the pipeline's or your own.")],
    to: Annotated[str | None, typer.Option(metavar="OWNER/NAME", help="The repository on the hub.")] = None,
    licence: Annotated[
        str | None, typer.Option(metavar="ID", help="The weights' licence, which you choose: apache-2.0, other.")
    ] = None,
    results: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="More results for the card, by lemur eval --output.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Upload; HF_TOKEN has the token.")] = False,
) -> None:
    """Compose what the Hugging Face hub expects of a model: its files, and a card with what is on record.

    Writes .lemur/publish/NAME and shows what would be uploaded, and what is
    missing or unknown. Nothing leaves this machine without --yes. A new
    repository is private.

    Example: lemur publish models/lemur_chat --to me/lemur-chat
    """
    from lemur.commands.output import print_long
    from lemur.core.files import ROOT
    from lemur.publishing import publish

    if to is not None:
        publish.check_name(to)
    elif yes:
        raise SystemExit("--yes needs --to OWNER/NAME")
    publication = publish.compose(model, to, licence, results, ROOT)
    print_long("\n".join(publish.lines(publication)))
    if yes:
        print(f"Uploaded: {publish.upload(publication, str(to))}")
    else:
        more = "--yes" if to else "--to OWNER/NAME --yes"
        print(f"Nothing was uploaded. To upload: the same command with {more}")


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
