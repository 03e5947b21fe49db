"""Commands under the heading Look inside."""

import os
from typing import Annotated, Literal

import typer

from lemur.commands import completion
from lemur.commands.output import print_long

PAGES = {"report": "reports/summary/report.html", "episodes": "reports/episodes/index.html"}


def open(
    page: Annotated[
        Literal["report", "episodes"],
        typer.Argument(metavar="PAGE", help="report: tables and pictures. episodes: every prompt, answer and verdict."),
    ] = "report",
) -> None:
    """Open a page of the last build in a browser, and print its path.

    Example: lemur open episodes
    """
    from lemur.core.files import ROOT

    path = ROOT / PAGES[page]
    if not path.exists():
        raise SystemExit(f"{path} is missing; `make reproduce` builds it, `lemur pull` fetches it")
    print(path, flush=True)
    typer.launch(str(path))


def why(
    stages: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="STAGE", help="Stages or outputs; without, all that are stale.", autocompletion=completion.stages
        ),
    ] = None,
) -> None:
    """Explain, before anything runs, why stages are stale and what will follow from that.

    Example: lemur why report
    """
    from lemur.core.files import ROOT
    from lemur.pipeline.inspect.why import why

    os.chdir(ROOT)  # DVC names stages and paths relative to the working directory.
    print_long("\n".join(why(stages or [], ROOT)))


def answers(
    stages: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="STAGE", help="Evaluations or their outputs; without, all.", autocompletion=completion.stages
        ),
    ] = None,
    prune: Annotated[
        bool,
        typer.Option("--prune", help="Instead, remove answers of models and code that no evaluation uses any more."),
    ] = False,
) -> None:
    """Show, before anything runs, which evaluations ask their model and which only score its answers again.

    Example: lemur answers gsm8k
    """
    from lemur.core.files import ROOT
    from lemur.pipeline.inspect import answers

    os.chdir(ROOT)  # DVC names stages and paths relative to the working directory.
    print_long("\n".join(answers.prune(ROOT) if prune else answers.answers(stages or [], ROOT)))


def lineage(
    path: Annotated[
        str,
        typer.Argument(
            metavar="PATH", help="An output of dvc.yaml, or a file in one.", autocompletion=completion.outputs
        ),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print everything, for programs.")] = False,
) -> None:
    """Show what an artifact was made of, down to its sources.

    Example: lemur lineage models/lemur_chat/
    """
    import json

    from lemur.core.files import ROOT
    from lemur.pipeline.inspect.lineage import lineage
    from lemur.pipeline.inspect.lineage_tree import lines

    path = os.path.relpath(path, ROOT)
    os.chdir(ROOT)
    history = lineage(path, ROOT)
    print_long(json.dumps(history, indent=2, ensure_ascii=False) if as_json else "\n".join(lines(history)))
