"""What both exports read: a samples file with its model, benchmark, result and hash."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lemur.core.records import Record, read_json, scan


@dataclass(frozen=True)
class Samples:
    """A samples file <model>/<benchmark>.jsonl, its sha256, and the result of the same evaluation, if it is there."""

    path: Path
    digest: str
    result: Record

    @property
    def model(self) -> str:
        return self.path.absolute().parent.name

    @property
    def benchmark(self) -> str:
        return self.path.stem

    @property
    def config(self) -> Record:
        return dict(self.result.get("configs", {}).get(self.benchmark, {}))

    def records(self) -> Iterator[Record]:
        """Raises `ValueError` that names the file and line of what is neither a sample nor an episode."""
        for number, (_, record) in enumerate(scan(self.path), 1):
            if not isinstance(record, dict) or "id" not in record or not {"turns", "prompt"} & set(record):
                raise ValueError(
                    f"{self.path}:{number}: neither an episode nor a sample: it needs an id, and turns or a prompt "
                    "(bits_per_byte measures texts and has neither; leave it out)"
                )
            yield record


def find(paths: Sequence[Path], results: Path) -> list[Samples]:
    """Samples files: those named, and those in the folders named but for bits_per_byte, which holds no answers.
    `results`: the folder of results by model. Raises `ValueError` for a path without any."""
    found = []
    for path in paths:
        files = [path] if path.is_file() else sorted(path.rglob("*.jsonl"))
        files = [file for file in files if file == path or file.stem != "bits_per_byte"]
        if not files:
            raise ValueError(
                f"{path}: no samples file <model>/<benchmark>.jsonl is there; `dvc checkout data/eval` brings them"
            )
        for file in files:
            result = results / file.absolute().parent.name / f"{file.stem}.json"
            digest = hashlib.sha256(file.read_bytes()).hexdigest()
            found.append(Samples(file, digest, read_json(result) if result.is_file() else {}))
    return found


def text(value: object) -> str:
    """A field of a record as text; several answers or rules one below the other."""
    if isinstance(value, dict):
        return "\n".join(f"{key}: {text(inner)}" for key, inner in value.items())
    if isinstance(value, list):
        return "\n".join(map(text, value))
    return "" if value is None else str(value)


def usage(record: Record) -> tuple[int, int]:
    """Tokens of all prompts and of all answers of an episode."""
    tokens = [turn.get("tokens", {}) for turn in record["turns"]]
    return sum(each.get("prompt", 0) for each in tokens), sum(each.get("answer", 0) for each in tokens)
