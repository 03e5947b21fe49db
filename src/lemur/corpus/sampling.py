"""Choices made by a hash of content, so that neither order nor the number of workers changes them."""

import hashlib
import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any


def rank(seed: int, identifier: str) -> int:
    """A number in [0, 2^64), as if drawn at random for `identifier`."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{identifier}".encode()).digest()[:8], "big")


@dataclass
class Limit:
    """Items of lowest rank until their sizes reach `size`. Keeps those items themselves in memory, and no others."""

    size: int
    total: int = 0
    _heap: list[tuple[int, str, int, Any]] = field(default_factory=list)

    def push(self, rank: int, identifier: str, size: int, item: Any) -> Iterator[Any]:
        """Offer an item; the items that thereby fall out, perhaps this one."""
        # Negative ranks: heapq gives the smallest, and the highest rank goes first. Identical items are alike.
        heapq.heappush(self._heap, (-rank, identifier, size, item))
        self.total += size
        while self._heap and self.total - self._heap[0][2] >= self.size:
            _, _, lost, fallen = heapq.heappop(self._heap)
            self.total -= lost
            yield fallen

    def chosen(self) -> list[Any]:
        """By rising rank."""
        return [item for *_, item in sorted(self._heap, key=lambda entry: (-entry[0], entry[1]))]
