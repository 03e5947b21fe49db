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
    cores: Annotated[int, typer.Option(metavar="NUMBER", min=1, help="Cores of a machine.")] = 16,
    machines: Annotated[int, typer.Option(metavar="NUMBER", min=1, help="Machines that share a file system.")] = 1,
    calibrate: Annotated[
        bool, typer.Option("--calibrate", help="First measure this machine and keep its rates (a few minutes).")
    ] = False,
    rates: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="File of rates; else .lemur/corpus_rates.json, or ours if there is none."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything, for programs.")] = False,
) -> None:
    """Estimate what a scale's corpus takes: hours, memory, disk and traffic of each stage, and what each source needs.

    Nothing is downloaded or built. Time comes from rates of a machine, which --calibrate measures on a sample of this
    environment's packages, once for each kind of machine; sizes from the scale's mixture, Table 8's epochs and the
    assumptions in data/paper/corpus_assumptions.yaml, which the plan prints.

    Example: lemur plan-data --scale paper --cores 64 --machines 4
    """
    import json
    import logging

    from lemur.planning.corpus_rates import OWN, save
    from lemur.planning.data_plan import plan
    from lemur.planning.data_plan_text import lines

    if calibrate:
        from lemur.planning import calibration

        logging.basicConfig(format="%(message)s")
        calibration.log.setLevel(logging.INFO)
        save(rates or OWN, calibration.measure_rates())
    needs = plan(scale, cores=cores, machines=machines, rates=rates)
    print_long(json.dumps(needs, indent=2) if as_json else "\n".join(lines(needs)))
