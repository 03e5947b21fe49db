"""Folders of documents: one JSON lines file for each source of Table 8, empty if the source has no documents."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from lemur.core.records import Record, Writer, jsonl_writer, read_jsonl
from lemur.corpus.sources import SOURCES


def read_source(folder: Path, source: str) -> Iterator[Record]:
    return read_jsonl(folder / f"{source}.jsonl")


def read_documents(folder: Path) -> Iterator[Record]:
    """All documents, in Table 8's order of sources."""
    for source in SOURCES:
        yield from read_source(folder, source)


@contextmanager
def documents_writer(folder: Path) -> Iterator[Writer]:
    """`with documents_writer(folder) as write: write(document)`, to the file of the document's source."""
    with ExitStack() as stack:
        files = {source: stack.enter_context(jsonl_writer(folder / f"{source}.jsonl")) for source in SOURCES}
        yield lambda record: files[record["source"]](record)
