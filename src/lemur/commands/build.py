"""Commands under the heading Build."""

from pathlib import Path
from typing import Annotated

import typer

from lemur.commands import completion


def scale(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME",
            help="Scale to switch to, or a .yaml file of values to set; without it, all scales are listed.",
            autocompletion=completion.scales,
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would change.")] = False,
) -> None:
    """List the scales, or switch params.yaml to one: demo, tiny, mirror, instructions, small or paper.

    Comments stay; every value that changes is printed.

    Example: lemur scale tiny --dry-run
    """
    from lemur.core import scales

    if not name:
        return scales.show()
    scales.switch(Path(name) if name.endswith(".yaml") else name, dry_run)


def check(
    params_only: Annotated[bool, typer.Option("--params-only", help="Leave dvc.yaml out.")] = False,
    cache: Annotated[
        bool, typer.Option("--cache", help="Instead, read every file in DVC's cache and remove damaged ones.")
    ] = False,
) -> None:
    """Validate params.yaml, and that dvc.yaml declares the code and libraries that each stage uses.

    Example: lemur check
    """
    from lemur.core.files import DAG, read_yaml
    from lemur.pipeline.build.dag import Dag
    from lemur.pipeline.build.validation import check_environment, validate_all

    if cache:
        from lemur.pipeline.artifacts.integrity import check_cache

        return check_cache(Dag().repo)
    dag = read_yaml(DAG)
    blocks = validate_all(dag)
    check_environment(dag)
    print(f"params.yaml: {blocks} blocks are valid")
    if not params_only:
        dependencies()


def dependencies(
    write: Annotated[bool, typer.Option("--write", help="Update dvc.yaml and environment.yaml.")] = False,
) -> None:
    """Compare the code and library versions in dvc.yaml and environment.yaml with what each stage imports.

    Example: lemur dependencies --write
    """
    from lemur.pipeline.build import dependencies

    differences = dependencies.write(check=not write)
    print("\n".join(differences) or "dvc.yaml and environment.yaml declare what the code uses")
    if differences and not write:
        raise SystemExit("`lemur dependencies --write` brings them up to date")


def run(
    stage: Annotated[
        str,
        typer.Argument(
            metavar="FOLDER.STAGE",
            help="The stage's module below lemur, e.g. corpus.pack_corpus.",
            autocompletion=completion.stage_modules,
        ),
    ],
    paths: Annotated[
        list[str], typer.Argument(metavar="NAME=PATH", help="Inputs and outputs of the stage's function.")
    ],
    params: Annotated[
        str | None,
        typer.Option(
            metavar="BLOCK",
            help="Its block of params.yaml, if not named like the stage.",
            autocompletion=completion.blocks,
        ),
    ] = None,
) -> None:
    """Run one stage by itself; this is the command of every stage in dvc.yaml.

    Example: lemur run corpus.split_corpus documents=D train=T heldout=H report=R
    """
    from lemur.pipeline.build.run_stage import run

    run(stage, params, paths)


def _after_stages(ctx: typer.Context, names: list[str] | None) -> list[str] | None:
    if names and not ctx.params.get("stages"):
        raise typer.BadParameter(f"{names[0]!r}: stages are named after --stages")
    return names


def verify(
    against: Annotated[
        str, typer.Option(metavar="REV|PATH", help="Compare with dvc.lock of a revision or checkout.")
    ] = "HEAD",
    stages: Annotated[
        list[str] | None,
        typer.Option(
            metavar="STAGE...",
            help="Only these stages and their inputs; `data` for all that no numerics profile decides.",
            autocompletion=completion.stages_or_data,
        ),
    ] = None,
    more_stages: Annotated[
        list[str] | None,
        typer.Argument(hidden=True, metavar="STAGE", callback=_after_stages, autocompletion=completion.stages_or_data),
    ] = None,
    built: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Compare an existing build instead of building.")
    ] = None,
    cores: Annotated[str, typer.Option(metavar="NUMBER", help="Cores for Snakemake.")] = "all",
) -> None:
    """Build HEAD from scratch in a temporary clone, and name the first artifact that differs.

    Example: lemur verify --stages data --cores 4
    """
    from lemur.core.files import ROOT
    from lemur.pipeline.inspect.verify import verify

    same = verify(ROOT, against, built, [*(stages or []), *(more_stages or [])], cores)
    raise SystemExit(0 if same else 1)
