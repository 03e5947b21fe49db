"""The last stage: names this variant of the pipeline by its content, so that MLflow holds one run for each."""

from pathlib import Path

from lemur.core.params import StageParams


class Params(StageParams):
    """None: where and whether MLflow is reached is no part of an artifact (docs/tracking.md)."""


def track(
    params: Params, parameters: Path, stages: Path, curves: Path, results: Path, summary: Path, *, variant: Path
) -> None:
    """Write `variant`: the key of this variant and the hash of every file it is made of.

    The runner then calls `afterwards`; nothing that happens there changes this file.
    `summary` is the report, which must be there to be shown; it is made of the others, so it does not enter the key.
    """
    from lemur.core.records import write_json
    from lemur.tracking.variant import identity

    write_json(variant, identity(parameters, {"stages": stages, "training": curves, "results": results}))


def afterwards(root: Path) -> None:
    """Put the variant below `root` into MLflow, once its files are in place. Nothing is raised."""
    from lemur.tracking.project import project

    project(root)
