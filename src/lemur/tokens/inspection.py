"""`lemur inspect` and `lemur validate`: what a step of a run read, and whether packed data is sound."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lemur.core.blocks import current_blocks
from lemur.core.files import DAG, read_yaml
from lemur.core.records import Record, read_json

SHOWN = 60  # characters of a document that are shown at its begin and at its end


def runs() -> dict[str, tuple[Path, Path, Path]]:
    """The trainings of dvc.yaml: of each the folder of token shards it reads, and the model and report it writes."""
    found = {}
    for name, stage in read_yaml(DAG)["stages"].items():
        paths = dict(re.findall(r"\b(\w+)=(\S+)", stage["cmd"]))
        if paths.get("shards") in stage.get("deps", []):
            found[name] = (
                Path(paths["shards"]),
                Path(paths.get("model", "models/tokenizer")),
                Path(paths.get("report", f"reports/stages/{name}.json")),
            )
    return found


def inspect_step(
    step: int, run: str, *, root: Path = Path(), shards: Path | None = None, tokenizer: Path | None = None
) -> Record:
    """The exact global batch of optimizer step `step` (1 is the first, as in the training's curve) of a run.

    Its rows: `record` in the shards, `padding`, and `documents` with source, first position, tokens and text.
    `warning`: why the run may have read something else, None if its report says that it read this data. Raises
    `SystemExit` for a run, step or folder that is not there.
    """
    from tokenizers import Tokenizer

    from lemur.tokens.loader import inspect
    from lemur.tokens.shards import open_shards

    known = runs()
    if run not in known:
        raise SystemExit(f"{run!r} is no training of dvc.yaml; {', '.join(known)} are")
    if step < 1:
        raise SystemExit(f"step {step}; steps count from 1, as in the training's curve")
    path = root / known[run][2]
    report: Record | None = read_json(path) if path.is_file() else None
    if report and step > report["steps"]:
        raise SystemExit(f"step {step}; {run} has {report['steps']} steps ({path})")
    params = current_blocks()[run]
    folder = shards or root / known[run][0]
    # The tuned model's tokenizer has the turns' markers; before it is built the corpus's shows everything else.
    own = root / known[run][1]
    model = tokenizer or (own if (own / "tokenizer.json").is_file() else root / "models/tokenizer")
    if not (model / "tokenizer.json").is_file():
        raise SystemExit(f"{model}: no tokenizer.json; build or `dvc checkout` it, or name another with --tokenizer")
    decode = Tokenizer.from_file(str(model / "tokenizer.json")).decode
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
    read = report["data"]
    for change in report.get("other_data", []):  # LEMUR_RESUME=other-data
        if change["after_step"] < step:
            read = change["data"]
    if read == fingerprint:
        return None
    return (
        f"step {step} of {run} read other data: its fingerprint was {read} ({path}), that of these shards is "
        f"{fingerprint}; this is the batch that the run would read from them"
    )


def lines(batch: Record, full: bool) -> Iterator[str]:
    """`inspect_step`'s batch for people; `full` shows whole documents."""
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
            short = repr(text) if len(text) <= 2 * SHOWN else f"{text[:SHOWN]!r} ... {text[-SHOWN:]!r}"
            size = len(document["tokens"])
            yield f"  {document['first']:>6} {document['source']}, {size} tokens: {text if full else short}"


def validate_folders(folders: list[Path], root: Path = Path()) -> tuple[list[str], list[str]]:
    """(what is sound, what is wrong) of folders of token shards and token stores; without any, of all of dvc.yaml."""
    from lemur.tokens import shard_validation, token_store

    found = folders or [
        root / folder for folder in (*sorted({shards for shards, *_ in runs().values()}), Path("data/corpus/tokens"))
    ]
    sound, problems = [], []
    for folder in found:
        path = folder / "manifest.json"
        manifest: dict[str, Any] = read_json(path) if path.is_file() else {}
        is_store = manifest.get("format") == token_store.FORMAT
        wrong = shard_validation.validate_store(folder) if is_store else shard_validation.validate(folder)
        problems += wrong
        if not wrong:
            kind = "token store" if is_store else f"{manifest['records']} records in {len(manifest['shards'])} shards"
            tokens = sum(
                row["tokens"] if is_store else row for row in manifest["sources" if is_store else "tokens"].values()
            )
            sound.append(f"{folder}: sound; {kind}, {tokens} tokens")
    return sound, problems
