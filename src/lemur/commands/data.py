"""Commands under the heading Data."""

import os
from pathlib import Path
from typing import Annotated

import typer

from lemur.commands import completion
from lemur.commands.output import print_long


def pin(
    source: Annotated[
        str,
        typer.Argument(metavar="SOURCE", help="Folder name below data/sources.", autocompletion=completion.sources),
    ],
    place: Annotated[
        str,
        typer.Argument(metavar="PLACE", help="hub, mirror, package or bundled.", autocompletion=completion.places),
    ],
) -> None:
    """Download a source once, and write its checksums into its manifest.

    Example: lemur pin gsm8k hub
    """
    from lemur.sources.pin import pin

    pin(Path("data/sources") / source, place)


def inspect(
    step: Annotated[int, typer.Argument(metavar="STEP", help="Optimizer step, from 1.")],
    run: Annotated[
        str,
        typer.Option(
            metavar="STAGE",
            help="Training: base_model, continued_pretraining or instruction_tuning.",
            autocompletion=completion.trainings,
        ),
    ] = "continued_pretraining",
    shards: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Other shards than the training's in dvc.yaml.")
    ] = None,
    tokenizer: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Tokenizer to show text with; else the training's, or models/tokenizer."),
    ] = None,
    full: Annotated[
        bool, typer.Option("--full", help="Show whole documents, not only how they begin and end.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything with token ids, for programs.")] = False,
) -> None:
    """Print the exact batch of a training step, with the source of each document.

    The batch follows from the shards and from the training's seed and batch_size in params.yaml. Nothing is replayed,
    so any step is as fast as the first. Steps count from 1, as in reports/training/*.csv.

    Example: lemur inspect 120 --run continued_pretraining
    """
    import json

    from lemur.core.files import ROOT
    from lemur.tokens.inspection import inspect_step, lines

    batch = inspect_step(step, run, root=Path(os.path.relpath(ROOT)), shards=shards, tokenizer=tokenizer)
    print_long(json.dumps(batch, indent=2, ensure_ascii=False) if as_json else "\n".join(lines(batch, full)))


def validate(
    folders: Annotated[
        list[Path] | None,
        typer.Argument(metavar="FOLDER", help="With a manifest.json; without, all that dvc.yaml makes."),
    ] = None,
) -> None:
    """Check token shards and token stores against their manifests.

    Reads every record once: sha256 of each shard, counts of records and tokens by source, ids below the vocabulary's
    size, segments, positions and padding. Prints one line for each sound folder and every problem; if there is one, the
    status is 1.

    Example: lemur validate data/corpus/packed_lemur
    """
    from lemur.core.files import ROOT
    from lemur.tokens.inspection import validate_folders

    sound, problems = validate_folders(folders or [], Path(os.path.relpath(ROOT)))
    print("\n".join([*sound, *problems]))
    raise SystemExit(1 if problems else 0)
