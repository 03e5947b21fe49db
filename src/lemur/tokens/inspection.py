"""`lemur inspect` and `lemur validate`: show what a step of a run read, and check packed data."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lemur.core.files import DAG, read_yaml
from lemur.core.parameter_blocks import current_blocks
from lemur.core.records import Record, read_json
from lemur.core.tokenizer_json import tokenizer_json

SHOWN_CHARS = 60  # characters shown of a document's beginning and of its end


def runs() -> dict[str, tuple[Path, Path, Path]]:
    """Each training of dvc.yaml: the folder of token shards it reads, and the model and report it writes."""
    paths_by_run = {}
    for name, stage in read_yaml(DAG)["stages"].items():
        paths = dict(re.findall(r"\b(\w+)=(\S+)", stage["cmd"]))
        if paths.get("shards") in stage.get("deps", []):
            paths_by_run[name] = (
                Path(paths["shards"]),
                Path(paths.get("model", "models/tokenizer")),
                Path(paths.get("report", f"reports/stages/{name}.json")),
            )
    return paths_by_run


def inspect_step(
    step: int, run: str, *, root: Path = Path(), shards: Path | None = None, tokenizer: Path | None = None
) -> Record:
    """The exact global batch of optimizer step `step` (1 is the first, as in the training's curve) of a run.

    Each row has its `record` number in the shards, `padding`, and `documents` with source, first position, tokens and
    text. `warning`: why the run may have read something else; None if its report confirms that it read this data.
    Raises `SystemExit` for a run, step or folder that does not exist.
    """
    from tokenizers import Tokenizer

    from lemur.tokens.loader import inspect
    from lemur.tokens.shards import open_shards

    trainings = runs()
    if run not in trainings:
        raise SystemExit(f"{run!r} is not a training of dvc.yaml; {', '.join(trainings)} are")
    if step < 1:
        raise SystemExit(f"step {step}; steps count from 1, as in the training's curve")
    path = root / trainings[run][2]
    report: Record | None = read_json(path) if path.is_file() else None
    if report and step > report["steps"]:
        raise SystemExit(f"step {step}; {run} has {report['steps']} steps ({path})")
    params = current_blocks()[run]
    folder = shards or root / trainings[run][0]
    # The tuned model's tokenizer has the turn markers; before that is built, the corpus's shows everything else.
    own = root / trainings[run][1]
    model = tokenizer or (own if (own / "tokenizer.json").is_file() else root / "models/tokenizer")
    try:
        decode = Tokenizer.from_file(str(tokenizer_json(model))).decode
    except FileNotFoundError as error:
        raise SystemExit(f"{error}; or give another with --tokenizer") from None
    try:
        opened = open_shards(folder)
    except ValueError as error:
        raise SystemExit(str(error)) from None
    if not len(opened):
        raise SystemExit(f"{folder}: no records; its mixture is empty (total_tokens: 0)")
    rows = inspect(opened, seed=params["seed"], batch_size=params["batch_size"], step=step - 1)
    tokens: Counter[str] = Counter()
    for row in rows:
        for document in row["documents"]:
            document["text"] = decode(document["tokens"], skip_special_tokens=False)
            tokens[document["source"]] += len(document["tokens"])
    return {
        "run": run,
        "step": step,
        "shards": str(folder),
        "fingerprint": opened.fingerprint,
        "warning": _warning(step, run, opened.fingerprint, report, path),
        "sequence_length": opened.sequence_length,
        "tokens": dict(tokens.most_common()),
        "rows": rows,
    }


def _warning(step: int, run: str, fingerprint: str, report: Record | None, path: Path) -> str | None:
    if report is None:
        return f"{path}: no report, so this is what step {step} of {run} would read; build or `dvc checkout` it"
    data_read = report["data"]
    for change in report.get("other_data", []):  # LEMUR_RESUME=other-data
        if change["after_step"] < step:
            data_read = change["data"]
    if data_read == fingerprint:
        return None
    return (
        f"step {step} of {run} read other data: its fingerprint was {data_read} ({path}), that of these shards is "
        f"{fingerprint}; this is the batch that the run would read from them"
    )


def lines(batch: Record, full: bool) -> Iterator[str]:
    """`inspect_step`'s batch as text; `full` shows whole documents."""
    rows = batch["rows"]
    yield (
        f"step {batch['step']} of {batch['run']}: {len(rows)} sequences of {batch['sequence_length']} tokens from "
        f"{batch['shards']} (fingerprint {batch['fingerprint'][:12]})"
    )
    if batch["warning"]:
        yield f"WARNING: {batch['warning']}"
    total = sum(batch["tokens"].values())
    yield "tokens: " + ", ".join(f"{name} {count} ({count / total:.1%})" for name, count in batch["tokens"].items())
    for number, row in enumerate(rows):
        yield f"sequence {number}: record {row['record']}, {row['padding']} tokens of padding"
        for document in row["documents"]:
            text = document["text"]
            is_short = len(text) <= 2 * SHOWN_CHARS
            short = repr(text) if is_short else f"{text[:SHOWN_CHARS]!r} ... {text[-SHOWN_CHARS:]!r}"
            size = len(document["tokens"])
            yield f"  {document['first']:>6} {document['source']}, {size} tokens: {text if full else short}"


def validate_folders(folders: list[Path], root: Path = Path()) -> tuple[list[str], list[str]]:
    """(sound folders, problems) of folders of token shards and token stores; without `folders`, of all in dvc.yaml."""
    from lemur.tokens import shard_validation, token_store

    advice = "is the path right?" if folders else "`make reproduce` builds it, `lemur pull` fetches it"
    folders = folders or [
        root / folder for folder in (*sorted({shards for shards, *_ in runs().values()}), Path("data/corpus/tokens"))
    ]
    sound, problems = [], []
    for folder in folders:
        if not folder.is_dir():
            problems.append(f"{folder}: no such folder; {advice}")
            continue
        path = folder / "manifest.json"
        manifest: dict[str, Any] = read_json(path) if path.is_file() else {}
        is_store = manifest.get("format") == token_store.FORMAT
        faults = shard_validation.validate_store(folder) if is_store else shard_validation.validate(folder)
        problems += faults
        if not faults:
            kind = "token store" if is_store else f"{manifest['records']} records in {len(manifest['shards'])} shards"
            tokens = sum(
                row["tokens"] if is_store else row for row in manifest["sources" if is_store else "tokens"].values()
            )
            sound.append(f"{folder}: sound; {kind}, {tokens} tokens")
    return sound, problems
