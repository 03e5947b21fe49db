"""The files of a source in groups of about one size."""

from collections.abc import Iterable, Iterator

from lemur.sources.fetched import FetchedFile


def groups(files: Iterable[FetchedFile], most_bytes: int) -> Iterator[tuple[FetchedFile, ...]]:
    """The files, in order, in groups of at most `most_bytes` bytes as they are stored; a larger file is a group."""
    group: list[FetchedFile] = []
    size = 0
    for file in files:
        if group and size + file.bytes > most_bytes:
            yield tuple(group)
            group, size = [], 0
        group.append(file)
        size += file.bytes
    if group:
        yield tuple(group)
