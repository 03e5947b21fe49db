"""Commands under the heading Look inside."""

import os
from pathlib import Path
from typing import Annotated

import typer

from lemur.commands import completion
from lemur.commands.output import print_long


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


def rescore(
    folder: Annotated[
        Path,
        typer.Argument(metavar="FOLDER", help="Trajectories: a file, or what MINT published of a model, or our own."),
    ],
    items: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="TASK/test_prompts.json; without, what the trajectories say."),
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write everything there.")] = None,
) -> None:
    """Score recorded trajectories of agents again, and say which verdicts changed and why.

    Proposed programs run in the sandbox; nothing else runs and no model is asked.

    Example: lemur rescore data/eval/lemur
    """
    from lemur.agents.published.report import lines, rescored
    from lemur.agents.published.tables import summary
    from lemur.core.records import write_json

    runs = rescored(folder, items)
    if json_file is not None:
        write_json(json_file, summary(runs))
    print_long("\n".join(lines(runs)))
