"""How many of a source's records may be malformed."""

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Protocol, TypeVar


class _Shard(Protocol):
    @property
    def fetched(self) -> str: ...


class _Read(Protocol):
    records: int
    malformed: int


Shard = TypeVar("Shard", bound=_Shard)
Read = TypeVar("Read", bound=_Read)


class Malformed:
    """Stops a stage when too many records of a fetched source are malformed.

    `max_share` is the stage's parameter `max_bad_share`.
    """

    def __init__(self, stage: str, max_share: float) -> None:
        self._stage = stage
        self._max_share = max_share
        self._records: Counter[str] = Counter()
        self._malformed: Counter[str] = Counter()

    def checked(self, read: Iterable[tuple[Shard, Read]]) -> Iterator[tuple[Shard, Read]]:
        """The (shard, what was read in it) pairs. Raises `ValueError` as soon as a source has been read."""
        for name, pairs in groupby(read, key=lambda pair: pair[0].fetched):
            for shard, result in pairs:
                self._records[name] += result.records
                self._malformed[name] += result.malformed
                yield shard, result
            bad, records = self._malformed[name], self._records[name]
            if bad > self._max_share * records:
                raise ValueError(
                    f"source {name}: {bad} of {records} records are malformed ({self._stage}.max_bad_share allows "
                    f"{self._max_share}); check the source, or raise that parameter if this is expected"
                )
