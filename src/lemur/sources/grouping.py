"""The files of a source in groups of about one size."""

from collections.abc import Iterable, Iterator

from lemur.core.rank import rank
from lemur.sources.fetched import FetchedFile


def groups(files: Iterable[FetchedFile], most_bytes: int) -> Iterator[tuple[FetchedFile, ...]]:
    """The files, in order, in groups of at most `most_bytes` bytes as they are stored, two thirds of it on average; a
    larger file is a group."""
    group: list[FetchedFile] = []
    size = 0
    for file in files:
        if group and size + file.bytes > most_bytes:
            yield tuple(group)
            group, size = [], 0
        group.append(file)
        size += file.bytes
        if _ends_group(file, most_bytes):
            yield tuple(group)
            group, size = [], 0
    if group:
        yield tuple(group)


def _ends_group(file: FetchedFile, most_bytes: int) -> bool:
    """By a hash of its name, about once in `most_bytes` bytes of files. A file that grows or is added can move the
    borders of groups only up to here; without such ends it could move all that follow."""
    return rank(0, file.name) * most_bytes < file.bytes << 64
