"""The last stage: identifies this variant of the pipeline by its content, so that MLflow has one run per variant."""

from pathlib import Path

from lemur.core.params import StageParams


class Params(StageParams):
    """No parameters: the location of MLflow is not part of any artifact (docs/tracking.md)."""


def track(
    params: Params, parameters: Path, stages: Path, curves: Path, results: Path, summary: Path, *, variant: Path
) -> None:
    """Write `variant`: this variant's key and the hash of every file behind it.

    The runner then calls `afterwards`, which never changes this file.
    `summary` is the report. It must exist to be shown, but it follows from the other inputs, so the key ignores it.
    """
    from lemur.core.records import write_json
    from lemur.tracking.variant import identity

    write_json(variant, identity(parameters, {"stages": stages, "training": curves, "results": results}))


def afterwards(root: Path) -> None:
    """Write the variant below `root` to MLflow, once its files are in place. Raises nothing."""
    from lemur.tracking.project import project

    project(root)
