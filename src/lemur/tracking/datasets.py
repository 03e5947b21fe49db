"""The data that trainings and evaluations read, as dvc.lock recorded it: equal data has equal digests."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lemur.core.records import Record
from lemur.reporting.inputs import TRAININGS

HELD_OUT = "data/corpus/heldout"
COUNTS = {"documents", "sequences", "tokens_packed", "in", "out"}


@dataclass(frozen=True)
class Data:
    """`path` in the repository; `digest`: MD5 by DVC; `context`: training or evaluation; `profile`: counts."""

    path: str
    digest: str
    context: str
    profile: Record

    @property
    def name(self) -> str:
        return self.path.removeprefix("data/")


def read_by_trainings(stages: Mapping[str, Any], reports: Mapping[str, Record]) -> dict[str, list[Data]]:
    """Training (base, lemur, lemur_chat) to the data that its stage read. `reports`: stage to its report.

    `stages`: those of dvc.lock.
    """
    return {model: _inputs(stages, [stage], reports, "training") for model, stage in TRAININGS.items()}


def read_by_evaluations(stages: Mapping[str, Any]) -> list[Data]:
    """The benchmarks' items and the held-out documents."""
    evaluations = [
        name for name, stage in stages.items() if any(out["path"].startswith("data/eval/") for out in stage["outs"])
    ]
    return _inputs(stages, evaluations, {}, "evaluation")


def _inputs(stages: Mapping[str, Any], names: list[str], reports: Mapping[str, Record], context: str) -> list[Data]:
    makers = {out["path"].rstrip("/"): name for name, stage in stages.items() for out in stage["outs"]}
    found = {}
    for dep in (dep for name in names for dep in stages.get(name, {"deps": []})["deps"]):
        path = dep["path"].rstrip("/")
        if path.startswith("data/") and "md5" in dep and not (context == "training" and path == HELD_OUT):
            report = reports.get(makers.get(path, "").replace("@", "_"), {})
            counts = {key: value for key, value in report.items() if key in COUNTS}
            profile = {**counts, "bytes": dep.get("size"), "files": dep.get("nfiles", 1)}
            found[path] = Data(path, str(dep["md5"]).removesuffix(".dir"), context, profile)
    return [found[path] for path in sorted(found)]
