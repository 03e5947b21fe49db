"""What a person sees of a run before opening it: a name, a description, and a few metrics that sort first."""

import getpass
import os

from lemur.reporting.inputs import MODELS
from lemur.tracking.variant import Variant

HEADLINE = "0 headline"
"""MLflow sorts metrics by name."""


def name(variant: Variant) -> str:
    """The experiment's name, else the scale and the start of the variant's key."""
    return os.environ.get("DVC_EXP_NAME") or f"{variant.params.get('report.scale', 'variant')} {variant.key[:6]}"


def metrics(variant: Variant) -> dict[str, float]:
    """Bits per byte of the three models on held-out code and text, which every scale measures well."""
    measured = {
        f"{HEADLINE}/{title} bits per byte on {kind}": variant.metrics.get(f"bits_per_byte/{model}/{kind}")
        for kind in ("code", "text")
        for model, title in MODELS.items()
    }
    return {metric: value for metric, value in measured.items() if value is not None}


def tags(variant: Variant) -> dict[str, str]:
    """MLflow's own tags: they fill the columns Description, User and Source of its table of runs."""
    lines = [f"{metric.removeprefix(f'{HEADLINE}/')}: {value:.3f}" for metric, value in metrics(variant).items()]
    listed = "\n".join(f"- {line}" for line in lines)
    return {
        "mlflow.note.content": f"Lower is better:\n\n{listed}\n\nAll results: report.html below Artifacts.",
        "mlflow.user": _user(),
        "mlflow.source.name": "dvc.yaml",
        "mlflow.source.type": "LOCAL",
    }


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user without an entry, as in containers
        return "unknown"
