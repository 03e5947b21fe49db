"""Folders of documents: the shards of `core.source_shards`, at least one for each source of Table 8."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from lemur.core.records import Record, Writer, jsonl_writer
from lemur.core.source_shards import read_source, shard_name, shards
from lemur.corpus.sources import SOURCES


def all_shards(folder: Path) -> list[tuple[str, Path]]:
    """(source, shard) of every shard, in Table 8's order of sources. Raises `FileNotFoundError` if one is missing."""
    return [(source, path) for source in SOURCES for path in shards(folder, source)]


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
