"""The data that trainings read, as dvc.lock recorded it: equal data has equal digests."""

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
    """Training (base, lemur, lemur_chat) to the data that its stage read; the held-out documents are for evaluation.

    `stages`: those of dvc.lock. `reports`: stage to its report.
    """
    makers = {out["path"].rstrip("/"): name for name, stage in stages.items() for out in stage["outs"]}
    read: dict[str, list[Data]] = {}
    for model, training in TRAININGS.items():
        read[model] = []
        for dep in stages.get(training, {"deps": []})["deps"]:
            path = dep["path"].rstrip("/")
            if path.startswith("data/") and "md5" in dep:
                report = reports.get(makers.get(path, "").replace("@", "_"), {})
                counts = {key: value for key, value in report.items() if key in COUNTS}
                profile = {**counts, "bytes": dep.get("size"), "files": dep.get("nfiles", 1)}
                context = "evaluation" if path == HELD_OUT else "training"
                read[model].append(Data(path, str(dep["md5"]).removesuffix(".dir"), context, profile))
    return read
