"""What is on record about a model folder: how it was made, from what, and what it scored. Nothing is guessed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lemur.core.disk import file_md5
from lemur.core.files import flatten
from lemur.core.parameter_blocks import bindings, stage_of
from lemur.core.records import Record, read_json, read_jsonl
from lemur.corpus.sources import CODE
from lemur.model import checksums
from lemur.publishing.folder import tensors

TRAININGS = {"base_model": "Base model", "continued_pretraining": "Continued pre-training",
             "instruction_tuning": "Instruction tuning"}  # fmt: skip


@dataclass(frozen=True)
class Training:
    """A stage that trained the model. `settings`: by dotted key of params.yaml; `report`: what the stage wrote;
    `unit`: what `amounts`, by source, count."""

    stage: str
    settings: Mapping[str, Any]
    report: Record
    amounts: Mapping[str, int]
    unit: str


@dataclass(frozen=True)
class Source:
    """Data, tokenizer or weights that the model was made from."""

    name: str
    title: str
    homepage: str
    place: str
    revision: str | None
    licences: tuple[str, ...]


@dataclass(frozen=True)
class Answer:
    benchmark: str
    prompt: str
    output: str


@dataclass(frozen=True)
class Facts:
    """`trainings`: first to last; `results`: by benchmark; `unknown`: what is not on record."""

    name: str
    config: Record
    parameters: int
    types: Sequence[str]
    trainings: Sequence[Training] = ()
    sources: Sequence[Source] = ()
    results: Mapping[str, Record] = field(default_factory=dict)
    answer: Answer | None = None
    unknown: Sequence[str] = ()


def facts(folder: Path, root: Path, results: Sequence[tuple[Path, Path]]) -> Facts:
    """`root`: the checkout, whose dvc.lock knows how its models were made; `results`: pairs of folders with results and
    with their samples, of which those of exactly these weights count."""
    parameters, types = tensors(folder)
    history, why = _history(folder, root)
    unknown = [] if history else [f"what it was trained from, on and how ({why})"]
    trainings = list(_trainings(history, root)) if history else []
    trained_on = {name for training in trainings for name in training.amounts}
    sources = list(_sources(history, trained_on)) if history else []
    unknown += [f"what {training.stage} trained on (rebuilt since)" for training in trainings if not training.amounts]
    found = _results(checksums.sha256(folder), results)
    if not found:
        unknown.append("any score of these weights (`lemur eval` measures some)")
    return Facts(
        folder.resolve().name,
        dict(read_json(folder / "config.json")),
        parameters,
        types,
        trainings,
        sources,
        {name: result for name, (result, _) in found.items()},
        _answer({name: samples for name, (_, samples) in found.items()}),
        unknown,
    )


def _history(folder: Path, root: Path) -> tuple[Record, str]:
    """The lineage of the folder, or nothing and the reason."""
    from lemur.pipeline.inspect.lineage import lineage

    here = folder.resolve()
    if not here.is_relative_to(root.resolve()) or not (root / "dvc.lock").is_file():
        return {}, "the folder is no artifact of this checkout"
    path = here.relative_to(root.resolve()).as_posix()
    try:
        history = lineage(path, root)
    except SystemExit:
        return {}, f"{path} is no artifact of dvc.lock"
    if history["on_disk"] != history["recorded"]:
        return {}, f"{path} is not what dvc.lock records"
    return history, ""


def _trainings(history: Record, root: Path) -> Iterator[Training]:
    stages = history["stages"]
    chain = [name for name in TRAININGS if name in stages]
    for name in chain:
        stage = stages[name]
        paths = bindings(stage["cmd"])
        shards = next(dep for dep in stage["deps"] if dep["path"].rstrip("/") == paths["shards"].rstrip("/"))
        packed = _report(stages[shards["from"]], root) if shards["from"] else {}
        is_chat = stage_of(stages[shards["from"]]["cmd"]).startswith("instructions.") if shards["from"] else False
        amounts: dict[str, int] = {}
        for row, counts in packed.get("sources", {}).items():
            source = row if is_chat or row not in CODE else "stack"
            amounts[source] = amounts.get(source, 0) + counts["out" if is_chat else "tokens_packed"]
        report = _report(stage, root)
        values = {
            key: value for block in stage["params"]["params.yaml"].values() for key, value in flatten(block).items()
        }
        used = {key: value for key, value in amounts.items() if value}
        if report.get("steps", 1):
            yield Training(name, values, report, used, "conversations" if is_chat else "tokens")


def _report(stage: Record, root: Path) -> Record:
    """What a stage reported, if the file is still the recorded one."""
    path = bindings(stage["cmd"]).get("report", "")
    recorded = {out["path"]: out["md5"] for out in stage["outs"]}.get(path)
    return dict(read_json(root / path)) if (root / path).is_file() and file_md5(root / path) == recorded else {}


def _sources(history: Record, trained_on: set[str]) -> Iterator[Source]:
    """Of all sources in the lineage, those whose text, tokenizer or weights went into the model; not the benchmarks
    that data was only compared with."""
    values: dict[str, Any] = {}
    for stage in history["stages"].values():
        values |= flatten(stage["params"].get("params.yaml", {}))
    used = trained_on | ({"llama2_tokenizer"} if values.get("tokenizer.kind") == "llama2" else set())
    if values.get("tokenizer.kind") == "base_weights" or values.get("base_model.init", "scratch") != "scratch":
        used |= {"base_weights"}
    for source in history["sources"].values():
        if source["name"] in used and source["place"] != "none":
            licences = tuple(sorted({file["licence"] for file in source.get("files", [])})) or ("not stated",)
            yield Source(
                source["name"],
                source.get("title", source["name"]),
                source.get("homepage", ""),
                source["place"],
                source.get("revision"),
                licences,
            )


def _results(model_hash: str, folders: Sequence[tuple[Path, Path]]) -> dict[str, tuple[Record, Path]]:
    """Result and samples by benchmark, of the first folder that has them."""
    found: dict[str, tuple[Record, Path]] = {}
    for results, samples in folders:
        for path in sorted(results.glob("*.json")):
            result = read_json(path)
            if isinstance(result, dict) and result.get("model_hash") == model_hash and path.stem not in found:
                found[path.stem] = result, samples / f"{path.stem}.jsonl"
    return found


def _answer(samples: Mapping[str, Path]) -> Answer | None:
    """The first written answer that is not empty: not the best one."""
    for benchmark, path in samples.items():
        for record in read_jsonl(path) if path.is_file() else ():
            if isinstance(output := record.get("output"), str) and output.strip():
                return Answer(benchmark, str(record["prompt"]), output)
    return None
