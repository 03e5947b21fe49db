"""Folders of records, as shards: `<source>-<number>.jsonl`, numbered from 00000 for each source.

A shard may be empty. A name has no total in it, so that more records rename no shard.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from lemur.core.records import Record, read_jsonl

_NAME = re.compile(r"(?P<source>.+)-(?P<number>\d{5,})\.jsonl")


def shard_name(source: str, number: int) -> str:
    return f"{source}-{number:05d}.jsonl"


def sources(folder: Path) -> list[str]:
    """The sources that have shards in `folder`, by name."""
    return sorted({match["source"] for match in map(_NAME.fullmatch, _files(folder)) if match})


def shards(folder: Path, source: str) -> list[Path]:
    """The shards of a source, in order. Raises `FileNotFoundError` if one is missing."""
    matches = [match for match in map(_NAME.fullmatch, _files(folder)) if match and match["source"] == source]
    numbers = {int(match["number"]) for match in matches}
    for number in range(max(numbers, default=0) + 1):
        if number not in numbers:
            name = shard_name(source, number)
            raise FileNotFoundError(f"{folder / name} is missing; `dvc checkout {folder}` or its stage brings it back")
    return [folder / shard_name(source, number) for number in sorted(numbers)]


def read_source(folder: Path, source: str) -> Iterator[Record]:
    """A source's records, shard by shard."""
    for path in shards(folder, source):
        yield from read_jsonl(path)


def _files(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]
