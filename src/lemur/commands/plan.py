"""Commands under the heading Plan."""

import os
from pathlib import Path
from typing import Annotated, Literal

import typer

from lemur.commands import completion
from lemur.commands.output import print_long

Stage = Literal["continued_pretraining", "instruction_tuning"]


def plan(
    scale: Annotated[
        str,
        typer.Argument(
            metavar="SCALE", help="A scale's name, or a file like those in scales/.", autocompletion=completion.scales
        ),
    ],
    stage: Annotated[Stage | None, typer.Option(help="One of the trainings; else both.")] = None,
    machine: Annotated[
        str,
        typer.Option(metavar="NAME", help="v4-512 (the paper's), v4-128 or v4-8.", autocompletion=completion.machines),
    ] = "v4-512",
    mesh: Annotated[
        str | None,
        typer.Option(
            metavar="MESH",
            help="data x fsdp x sequence x tensor, as 1x64x1x4; `search` for the best; else the scale's.",
        ),
    ] = None,
    microbatches: Annotated[
        int | None, typer.Option(metavar="NUMBER", help="Parts that a batch is computed in; else the scale's.")
    ] = None,
    layers: Annotated[
        int | None, typer.Option(metavar="NUMBER", help="Fewer layers than the model has, for a quick look; else all.")
    ] = None,
    mfu: Annotated[
        float, typer.Option(metavar="SHARE", help="Share of the machine's peak that the time is computed with.")
    ] = 0.5,
    compile_most: Annotated[
        int, typer.Option("--compile", metavar="NUMBER", help="Fitting layouts that a search compiles.")
    ] = 4,
) -> None:
    """Compile a scale's trainings for a TPU that is not there, and report memory, traffic and time.

    Example: lemur plan paper --stage continued_pretraining --mesh search
    """
    os.environ["JAX_PLATFORMS"] = "cpu"
    from lemur.planning.plan import plan

    stages: list[str] = [stage] if stage else ["continued_pretraining", "instruction_tuning"]
    fits = plan(
        scale,
        stages,
        machine=machine,
        mesh=mesh,
        microbatches=microbatches,
        layers=layers,
        mfu=mfu,
        compile_most=compile_most,
    )
    raise SystemExit(0 if fits else 1)


def plan_data(
    scale: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="demo, tiny, mirror, instructions, small or paper.",
            autocompletion=completion.scales,
        ),
    ] = "paper",
    cores: Annotated[int, typer.Option(metavar="NUMBER", help="Cores of one job.")] = 16,
    hours: Annotated[float, typer.Option(metavar="HOURS", help="Longest time of one job.")] = 4.0,
    rates: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Rates of your machines, in place of ours.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything, for programs.")] = False,
) -> None:
    """Estimate what a scale's corpus takes: bytes, tokens, disk, processor hours, shards and jobs of each source.

    Nothing is downloaded or built. Tokens follow from the scale's mixture and Table 8's epochs; the rest from measured
    rates and stated assumptions in data/paper/corpus_rates.yaml.

    Example: lemur plan-data --scale paper --cores 64 --hours 12
    """
    import json

    from lemur.planning.data_plan import RATES, lines, plan

    needs = plan(scale, cores=cores, hours=hours, rates=rates or RATES)
    print_long(json.dumps(needs, indent=2) if as_json else "\n".join(lines(needs)))
