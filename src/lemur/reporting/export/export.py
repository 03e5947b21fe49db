"""Writes samples files in formats that other tools read."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from lemur.core.records import Record, write_json
from lemur.reporting.export import atif, inspect_log
from lemur.reporting.export.read import Samples, find

Format = Literal["inspect", "atif"]


def export(paths: Sequence[Path], folder: Path, form: Format, results: Path) -> dict[Path, int]:
    """Write each samples file into `folder`, and return how many records went where.

    inspect: a log <time>_<benchmark>_<model>-<hash>.json a file; atif: a trajectory <model>/<benchmark>/<id>.json a
    record. Raises `ValueError` for paths without samples, and names a bad record's file and line.
    """
    written: dict[Path, int] = {}
    for samples in find(paths, results):
        written |= _inspect(samples, folder) if form == "inspect" else _atif(samples, folder)
    return written


def _inspect(samples: Samples, folder: Path) -> dict[Path, int]:
    log = _clean(inspect_log.log(samples))
    path = folder / inspect_log.name(samples)
    write_json(path, log)
    return {path: len(log["samples"])}


def _atif(samples: Samples, folder: Path) -> dict[Path, int]:
    seen: Counter[str] = Counter()
    into = folder / samples.model / samples.benchmark
    for record in samples.records():
        seen[str(record["id"])] += 1
        name = atif.name(str(record["id"]), seen[str(record["id"])])
        write_json(into / name, _clean(atif.trajectory(record, samples)))
    return {into: sum(seen.values())}


def _clean(value: Record) -> Record:
    """Without lone surrogates, which UTF-8 cannot hold."""

    def clean(inner: object) -> object:
        if isinstance(inner, str):
            return inner.encode("utf-8", "replace").decode("utf-8")
        if isinstance(inner, dict):
            return {str(clean(key)): clean(item) for key, item in inner.items()}
        return [clean(item) for item in inner] if isinstance(inner, list | tuple) else inner

    return {key: clean(item) for key, item in value.items()}
