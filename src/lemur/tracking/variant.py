"""One variant of the pipeline as data: its parameters, metrics, curves and files, and the key of their content."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lemur.core.files import flatten, read_yaml
from lemur.core.parameter_blocks import merged_blocks
from lemur.core.records import Record, dump, read_json
from lemur.reporting.inputs import MODELS, Inputs, load

PARAMS, DAG = Path("params.yaml"), Path("dvc.yaml")
STAGES, CURVES, RESULTS = Path("reports/stages"), Path("reports/training"), Path("reports/eval")
VARIANT, SUMMARY = Path("reports/variant.json"), Path("reports/summary")


@dataclass(frozen=True)
class Variant:
    """`params` by dotted key; `metrics` by name; `curves`: training to (metric, value, step) triples in step order;
    `reports`: stage to its report."""

    key: str
    params: dict[str, str]
    metrics: dict[str, float]
    curves: dict[str, list[tuple[str, float, int]]]
    reports: dict[str, Record]
    files: list[Path]


def identity(params: Path, folders: dict[str, Path]) -> Record:
    """The content of reports/variant.json: the `key`, and the hash of each file behind it.

    `params`: params.yaml as the stages see it. The key depends neither on the Git commit nor on the time: the same
    parameters and results are the same variant. It covers the models through the `model_hash` of the evaluation
    results, and the data through the stages' reports.
    """
    hashes = {"params.yaml": _sha256(dump(flatten(read_yaml(params))).encode())}
    for name, folder in folders.items():
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            relative = path.relative_to(folder)
            if not any(part.startswith(".") for part in relative.parts):
                hashes[f"{name}/{relative.as_posix()}"] = _sha256(path.read_bytes())
    models = {}
    for model, title in MODELS.items():
        result = folders["results"] / model / "bits_per_byte.json"
        if result.exists():
            models[title] = read_json(result).get("model_hash")
    return {"key": _sha256(dump(hashes).encode()), "hashes": hashes, "models": models}


def read(root: Path) -> Variant:
    """The variant with its artifacts below `root`. Raises `FileNotFoundError` if `track` has not run there."""
    path = root / VARIANT
    if not path.exists():
        raise FileNotFoundError(f"{VARIANT} is missing; `snakemake --cores all` or `dvc repro` builds it")
    params = merged_blocks(read_yaml(root / PARAMS), read_yaml(root / DAG))
    inputs = load(root / STAGES, root / CURVES, root / RESULTS)
    pictures = sorted((root / SUMMARY).glob("*.png"))
    return Variant(
        key=read_json(path)["key"],
        params={key: _text(value) for key, value in sorted(flatten(params).items())},
        metrics=metrics(inputs),
        curves={model: triples(inputs, model) for model in inputs.curves},
        reports=inputs.stages,
        files=[
            file
            for file in [root / SUMMARY / "report.md", root / SUMMARY / "report.html", *pictures, root / PARAMS, path]
            if file.exists()
        ],
    )


def metrics(inputs: Inputs) -> dict[str, float]:
    """Final numbers such as `mmlu/lemur/acc` and `counts/english_filter/out`, without skipped benchmarks."""
    values: dict[str, float] = {}
    for model, results in inputs.results.items():
        for benchmark, result in results.items():
            for name, value in result.get("results", {}).get(benchmark, {}).items():
                if isinstance(value, int | float) and not isinstance(value, bool):
                    metric = name.removesuffix(",none").replace(",", "_").replace("@", "_at_")
                    values[f"{benchmark}/{model}/{metric}"] = float(value)
    for stage, report in inputs.stages.items():
        for name in ("in", "out"):
            if isinstance(report.get(name), int):
                values[f"counts/{stage}/{name}"] = float(report[name])
        for reason, count in report.get("dropped", {}).items():
            values[f"counts/{stage}/dropped/{reason}"] = float(count)
    for model, curve in inputs.curves.items():
        for name, column in curve.items():
            last = next((value for value in reversed(column) if value is not None), None)
            if last is not None and name not in ("step", "learning_rate"):
                values[f"training/{model}/{name}"] = last
    return dict(sorted(values.items()))


def triples(inputs: Inputs, model: str) -> list[tuple[str, float, int]]:
    curve = inputs.curves[model]
    return [
        (name, value, int(step))
        for row, step in enumerate(curve["step"])
        if step is not None
        for name, column in curve.items()
        if name != "step" and (value := column[row]) is not None
    ]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
