"""Checks folders of token shards and token stores against their manifests and the rules of packed sequences."""

import hashlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from lemur.core.records import Record, read_json
from lemur.tokens.shards import FORMAT, Arrays, Shards, fingerprint, open_shards
from lemur.tokens.token_store import TokenStore, file_problems, read_manifest

SHOWN = 20  # faulty records listed
_BLOCK = 1 << 24  # token ids checked at a time


def validate(folder: Path) -> list[str]:
    """One line per problem; empty if the shards are sound. Reads everything once."""
    path = folder / "manifest.json"
    manifest = read_json(path) if path.is_file() else {}
    # Hashes come first, because the library cannot open a damaged file.
    problems = list(_file_problems(folder, manifest)) if manifest.get("format") == FORMAT else []
    if problems:
        return problems
    try:
        shards = open_shards(folder)
    except ValueError as error:
        return [str(error)]
    tokens: Counter[int] = Counter()
    faulty = 0
    for index in range(len(shards)):
        record = shards[index]
        for problem in _record_problems(record, shards):
            faulty += 1
            if faulty <= SHOWN:
                problems.append(f"{folder}: record {index}: {problem}")
        if {"sources", "segments"} <= set(record):
            tokens.update(record["sources"][record["segments"] > 0].tolist())
    if faulty > SHOWN:
        problems.append(f"{folder}: {faulty - SHOWN} more faults in records")
    stated = shards.manifest["tokens"]
    counted = {name: tokens[number] for number, name in enumerate(shards.sources)}
    if "sources" in {field["name"] for field in shards.manifest["fields"]} and stated != counted:
        problems.append(f"{folder}/manifest.json: tokens by source are {stated}; the records hold {counted}")
    if shards.fingerprint != (computed := fingerprint(manifest)):
        problems.append(f"{path}: fingerprint is {shards.fingerprint}; {computed} follows from what it describes")
    return problems


def _file_problems(folder: Path, manifest: dict[str, Any]) -> Iterator[str]:
    for shard in manifest["shards"]:
        path = folder / shard["file"]
        if not path.is_file():
            continue  # open_shards names all missing files
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if digest != shard["sha256"]:
            yield f"{path}: sha256 is {digest}; manifest.json has {shard['sha256']}; `dvc checkout --force` restores it"
    listed = {shard["file"] for shard in manifest["shards"]}
    for path in sorted(folder.glob("*.arrayrecord")):
        if path.name not in listed:
            yield f"{path}: not in manifest.json; remove it or run the stage again"
    total = sum(shard["records"] for shard in manifest["shards"])
    if total != manifest["records"]:
        yield f"{folder}/manifest.json: {manifest['records']} records, but its shards have {total}"


def _record_problems(record: Arrays, shards: Shards) -> Iterator[str]:
    if (top := int(record["tokens"].max())) >= shards.manifest["vocab_size"]:
        yield f"token id {top}; ids below {shards.manifest['vocab_size']} are allowed"
    if "sources" in record and (top := int(record["sources"].max())) >= len(shards.sources):
        yield f"source {top}; numbers below {len(shards.sources)} are allowed"
    if "segments" not in record:
        return
    segments = record["segments"].astype(np.int64)
    used = int(np.count_nonzero(segments))
    begins = np.diff(segments[:used], prepend=0)
    if segments[used:].any() or not used or set(np.unique(begins).tolist()) - {0, 1}:
        yield "segments are not 1, 2, ... followed by padding"
        return
    starts = np.flatnonzero(begins)
    expected = np.arange(used) - np.repeat(starts, np.diff(starts, append=used))
    if "positions" in record and not np.array_equal(record["positions"][:used], expected):
        yield "positions do not restart at 0 in each segment"
    if "sources" in record and np.any(np.diff(record["sources"][:used].astype(int))[begins[1:] == 0]):
        yield "a segment has tokens of two sources"
    for name in set(record) - {"segments"}:
        if record[name][used:].any():
            yield f"field {name} is not zero in the padding"


def validate_store(folder: Path) -> list[str]:
    """One line per problem of a token store; empty if it is sound. Reads everything once."""
    try:
        manifest = read_manifest(folder)
    except ValueError as error:
        return [str(error)]
    if problems := list(file_problems(folder, manifest)):
        return problems
    store = TokenStore(folder)
    for source in store.sources:
        row = manifest["sources"][source]
        for key in ("documents", "tokens"):
            if row[key] != (total := sum(shard[key] for shard in row["shards"])):
                problems.append(f"{folder}/manifest.json: {row[key]} {key} of {source}, but its shards have {total}")
        for shard in row["shards"]:
            problems += _shard_problems(folder / shard["name"], store, shard)
    return problems


def _shard_problems(path: Path, store: TokenStore, shard: Record) -> Iterator[str]:
    ids, borders = store.ids(shard["name"]), store.borders(shard["name"])
    for suffix, part in ((".npy", "ids"), (".borders.npy", "borders")):
        with Path(f"{path}{suffix}").open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if digest != shard["sha256"][part]:
            yield (
                f"{path}{suffix}: sha256 is {digest}; manifest.json has {shard['sha256'][part]}; "
                "`dvc checkout --force` restores it"
            )
    if borders[0] != 0 or borders[-1] != len(ids) or np.any(np.diff(borders) < 0):
        yield f"{path}.borders.npy: borders do not rise from 0 to {len(ids)}"
    top = max((int(ids[at : at + _BLOCK].max()) for at in range(0, len(ids), _BLOCK)), default=0)
    if top >= store.vocab_size:
        yield f"{path}.npy: token id {top}; ids below {store.vocab_size} are allowed"
