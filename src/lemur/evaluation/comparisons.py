"""Stage `comparisons`: each of our models against the one it was trained from, on the same items."""

from dataclasses import asdict
from pathlib import Path

from lemur.core.params import StageParams
from lemur.core.records import Record, write_json
from lemur.evaluation.comparing.paired import Cluster, compare_samples

PAIRS = (("lemur", "base"), ("lemur_chat", "lemur"))
CLUSTERS: dict[str, Cluster] = {
    "mmlu": lambda sample: str(sample["subject"]),
    "bbh": lambda sample: str(sample["task"]),
    "spider": lambda sample: str(sample["database"]),
    "ds1000": lambda sample: str(sample["library"]),
    # The same problem in several languages.
    "multipl_e": lambda sample: str(sample["id"]).partition("/")[2],
}
"""Items that are alike. Those of other benchmarks count as independent."""


class Params(StageParams):
    pass


def comparisons(params: Params, samples: Path, *, result: Path) -> None:
    """`samples`: <model>/<benchmark>.jsonl. A benchmark without verdicts, such as bits per byte, or that one of the
    two models was not asked, is left out."""
    records: list[Record] = []
    for model, against in PAIRS:
        for file in sorted((samples / model).glob("*.jsonl")):
            other = samples / against / file.name
            if not other.is_file() or not (file.stat().st_size and other.stat().st_size):
                continue
            cluster = CLUSTERS.get(file.stem, lambda sample: str(sample["id"]))
            pair = {"benchmark": file.stem, "model": model, "against": against}
            for rule, comparison in compare_samples(file, other, cluster).items():
                records.append({**pair, "rule": rule, **asdict(comparison)})
    write_json(result, {"comparisons": records})
