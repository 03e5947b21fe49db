"""Documents by address: a span of a shard is the unit of work, so that no job grows with its shard."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lemur.core.records import Record, read_at
from lemur.core.shards import Job
from lemur.corpus.documents import all_shards

OFFSET_BITS = 40
SHARD_BITS = 64 - OFFSET_BITS

Shards = Sequence[tuple[str, Path]]
"""(source, shard), as `all_shards` lists them."""


def address(shard: int, offset: int) -> int:
    """A document's place in 64 bits: its shard's number in `all_shards`, and the offset of its line in bytes."""
    return shard << OFFSET_BITS | offset


def shard_of(address: int) -> int:
    return address >> OFFSET_BITS


def read_document(shards: Shards, address: int) -> Record:
    with shards[shard_of(address)][1].open("rb") as file:
        return read_at(file, address & ((1 << OFFSET_BITS) - 1))


@dataclass(frozen=True)
class Span(Job):
    """The work on the documents of shard `inputs[0]` whose lines start in the bytes [`start`, `end`)."""

    source: str
    shard: int
    start: int
    end: int

    def addresses(self) -> tuple[int, int]:
        """The first address of the span, and the first one after it."""
        return address(self.shard, self.start), address(self.shard, self.end)


def spans(documents: Path, size: int, inputs: Sequence[Path], role: str, folder: Path) -> list[Span]:
    """Jobs on `size` bytes of a shard each, with more `inputs`, and a file in `folder` as output `role`.

    Raises `ValueError` if an address does not fit into 64 bits.
    """
    jobs = []
    shards = all_shards(documents)
    if len(shards) > 1 << SHARD_BITS:
        raise ValueError(f"{documents}: {len(shards)} shards; at most {1 << SHARD_BITS} are allowed")
    for number, (source, path) in enumerate(shards):
        length = path.stat().st_size
        if length >= 1 << OFFSET_BITS:
            raise ValueError(f"{path}: {length} bytes; a shard must be smaller than {1 << OFFSET_BITS}")
        for start in range(0, length, size):
            name = f"{path.stem}-{start}"
            end = min(start + size, length)
            jobs.append(Span(name, (path, *inputs), {role: folder / name}, source, number, start, end))
    return jobs


def lines(span: Span) -> Iterator[tuple[int, bytes]]:
    """(offset, line) of each document of a span."""
    with span.inputs[0].open("rb") as file:
        if span.start:
            file.seek(span.start - 1)
            file.readline()  # the rest of a line that starts before the span
        while (offset := file.tell()) < span.end:
            yield offset, file.readline()
