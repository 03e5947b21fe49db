"""Folders of conversations: the shards of `core.source_shards`, at least one for each source."""

from collections.abc import Iterator
from pathlib import Path

from lemur.core.records import Record
from lemur.core.source_shards import read_source, shards, sources
from lemur.instructions.conversation import GROUPS


def all_shards(folder: Path) -> list[tuple[str, Path]]:
    """(source, shard) of every shard: the paper's sources in its order, then the others by name.

    Raises `FileNotFoundError` if a shard is missing."""
    return [(source, path) for source in _in_order(folder) for path in shards(folder, source)]


def read_conversations(folder: Path) -> Iterator[Record]:
    """All conversations, in the order of `all_shards`."""
    for source in _in_order(folder):
        yield from read_source(folder, source)


def _in_order(folder: Path) -> list[str]:
    places = {source: place for place, source in enumerate(GROUPS)}
    return sorted(sources(folder), key=lambda source: (places.get(source, len(places)), source))
