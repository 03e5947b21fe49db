"""Folders of documents, as shards: `<source>-<number>.jsonl`, numbered from 00000 for each source of Table 8.

Every source has a shard, and a shard may be empty. A name has no total in it, so that more documents rename no shard.
"""

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from lemur.core.records import Record, Writer, jsonl_writer, read_jsonl
from lemur.corpus.sources import SOURCES

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


def all_shards(folder: Path) -> list[tuple[str, Path]]:
    """(source, shard) of every shard, in Table 8's order of sources. Raises `FileNotFoundError` if one is missing."""
    return [(source, path) for source in SOURCES for path in shards(folder, source)]


def read_source(folder: Path, source: str) -> Iterator[Record]:
    """A source's documents, shard by shard."""
    for path in shards(folder, source):
        yield from read_jsonl(path)


def read_documents(folder: Path) -> Iterator[Record]:
    """All documents, in Table 8's order of sources."""
    for source in SOURCES:
        yield from read_source(folder, source)


@contextmanager
def documents_writer(folder: Path, number: int = 0) -> Iterator[Writer]:
    """`with documents_writer(folder) as write: write(document)`, to the shard `number` of the document's source."""
    with ExitStack() as stack:
        files = {source: stack.enter_context(jsonl_writer(folder / shard_name(source, number))) for source in SOURCES}
        yield lambda record: files[record["source"]](record)


def _files(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]
