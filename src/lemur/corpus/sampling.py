"""Sampling by a hash of the content, so that neither order nor the number of workers changes the choice."""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Limit:
    """The items of lowest rank whose sizes together reach `size`. Only these are held in memory.

    What a `Limit` of all items chooses, a `Limit` of any part that has it chooses too: so each shard can propose its
    own choice, and a `Limit` of all proposals makes the final one.
    """

    size: int
    total: int = 0
    _heap: list[tuple[int, str, int, Any]] = field(default_factory=list)

    def push(self, rank: int, identifier: str, size: int, item: Any) -> Iterator[Any]:
        """Offer an item; yields the items that this evicts, possibly including itself."""
        # heapq pops the smallest, and the highest rank has to go first, hence negative ranks.
        heapq.heappush(self._heap, (-rank, identifier, size, item))
        self.total += size
        while self._heap and self.total - self._heap[0][2] >= self.size:
            _, _, evicted_size, evicted = heapq.heappop(self._heap)
            self.total -= evicted_size
            yield evicted

    def chosen(self) -> list[Any]:
        """The items, lowest rank first."""
        return [item for *_, item in sorted(self._heap, key=lambda entry: (-entry[0], entry[1]))]
