"""The files of the fetched sources in groups of about one size: each is the input of one shard of `clean_corpus`."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lemur.core.rejects import SUFFIX
from lemur.core.shards import Job
from lemur.core.source_shards import shard_name
from lemur.corpus.sources import CODE, SOURCES, source_of
from lemur.sources.fetched import Fetched, FetchedFile
from lemur.sources.grouping import groups


@dataclass(frozen=True)
class InputShard(Job):
    """Outputs: the `rejects`, and by the name of each source of Table 8 its documents."""

    fetched: str
    """Name of the fetched source."""
    files: tuple[FetchedFile, ...]
    sources: tuple[str, ...]
    """Sources of Table 8 to which the documents can belong."""
    items: Path | None = None
    """What `proposals.propose` wrote of the shard, if one of its sources has a limit."""
    chosen: frozenset[int] = frozenset()
    """Numbers of the documents in `items` that stay, among those of sources with a limit."""


def input_shards(fetched: Sequence[Fetched], shard_bytes: int, documents: Path, rejects: Path) -> list[InputShard]:
    """One shard for each group of files of the same sources of Table 8, in the order of the files.

    A group has at most `shard_bytes` bytes of files as they are stored, or a single larger file, and on average two
    thirds of them. Raises `ValueError` for a fetched source that Table 8 does not have.
    """
    numbers: Counter[str] = Counter()
    shards = []
    for source in fetched:
        for sources, files in _groups(source, shard_bytes):
            label = sources[0] if len(sources) == 1 else source.name
            name = f"{label}-{numbers[label]:05d}"
            outputs = {each: documents / shard_name(each, numbers[each]) for each in sources}
            outputs["rejects"] = rejects / f"{name}{SUFFIX}"
            paths = tuple(file.path for file in files)
            shards.append(InputShard(name, paths, outputs, source.name, files, sources))
            numbers.update({*sources, label})
    return shards


def _groups(fetched: Fetched, shard_bytes: int) -> Iterator[tuple[tuple[str, ...], tuple[FetchedFile, ...]]]:
    by_sources: dict[tuple[str, ...], list[FetchedFile]] = {}
    for file in fetched.files:
        by_sources.setdefault(_sources(fetched, file), []).append(file)
    for sources, files in by_sources.items():
        for group in groups(files, shard_bytes):
            yield sources, group


def _sources(fetched: Fetched, file: FetchedFile) -> tuple[str, ...]:
    if language := file.meta.get("language"):
        return (source_of(language),)
    if file.schema == "stack":  # each record names its language
        return CODE
    if fetched.name not in SOURCES:
        raise ValueError(
            f"{file.path}: {fetched.name!r} is not a source of the corpus; {list(SOURCES)} are allowed, or "
            "`meta.language` in the manifest for code"
        )
    return (fetched.name,)
