"""How many tokens a mixture takes from each source, and in which order it takes the documents."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from lemur.corpus.sources import CODE, TEXT
from lemur.tokens.order import permute

Mixture = dict[str, Any]

_BLOCK = 1 << 20  # documents looked at together


def allocate(total: float, weights: Mapping[str, float], caps: Mapping[str, float]) -> dict[str, float]:
    """Share `total` by `weights`, none above its cap; what exceeds a cap goes to the others by their weights.

    The sum is below `total` only if every source of positive weight reaches its cap.
    """
    shares = dict.fromkeys(weights, 0.0)
    open_names = [name for name, weight in weights.items() if weight > 0]
    left = total
    while open_names:
        weight = sum(weights[name] for name in open_names)
        fair = {name: left * (weights[name] / weight) for name in open_names}
        full = [name for name in open_names if fair[name] >= caps[name]]
        if not full:
            shares |= fair
            break
        for name in full:
            shares[name] = caps[name]
            left = max(left - caps[name], 0.0)
            open_names.remove(name)
    return shares


def allocate_groups(total: float, weights: Mapping[str, float], caps: Mapping[str, float]) -> dict[str, float]:
    """As `allocate`, but what exceeds a cap goes to the same group first, to keep the ratio of code to text."""
    groups = {"code": CODE, "text": TEXT}
    group_weights = {group: sum(weights[name] for name in names) for group, names in groups.items()}
    # A group's cap is the sum over its sources of positive weight.
    group_caps = {group: sum(caps[name] for name in names if weights[name] > 0) for group, names in groups.items()}
    shares: dict[str, float] = {}
    for group, share in allocate(total, group_weights, group_caps).items():
        shares |= allocate(share, {name: weights[name] for name in groups[group]}, caps)
    return shares


class Take(NamedTuple):
    """What a mixture takes from a source: all documents `epochs` times, then `documents` of them once more."""

    epochs: int
    documents: int
    tokens: int


def take(
    source: str, lengths: Callable[[np.ndarray], np.ndarray], documents: int, total: int, tokens: float, seed: int
) -> Take:
    """The number of whole documents whose tokens come closest to `tokens`; the last epoch follows its own order.

    `lengths(numbers)` are the tokens of documents by their numbers, of the source's `documents` with `total` tokens.
    """
    epochs = int(tokens // total) if total else 0
    rest = tokens - epochs * total
    if total == 0 or rest <= 0:
        return Take(epochs, 0, epochs * total)
    nearest, count, taken, before = rest, 0, 0, 0
    for start in range(0, documents, _BLOCK):
        places = np.arange(start, min(start + _BLOCK, documents))
        tokens_after = before + np.cumsum(lengths(permute(places, documents, seed, source, epochs)))
        distance = np.abs(tokens_after - rest)
        place = int(distance.argmin())
        if distance[place] < nearest:
            nearest, count, taken = distance[place], start + place + 1, int(tokens_after[place])
        before = int(tokens_after[-1])
        if before >= rest:
            break
    if count == documents:
        return Take(epochs + 1, 0, (epochs + 1) * total)
    return Take(epochs, count, epochs * total + taken)


class Order:
    """The documents of a mixture, all sources and epochs mixed by one permutation; any slice is computed on its own."""

    def __init__(self, mixture: Mixture) -> None:
        self._seed: int = mixture["seed"]
        self.sources: list[str] = mixture["order"]
        rows = [mixture["sources"][name] for name in self.sources]
        self._documents = np.array([row["source_documents"] for row in rows], np.int64)
        counts = [row["full_epochs"] * row["source_documents"] + row["partial_documents"] for row in rows]
        self._ends = np.cumsum(counts)

    def __len__(self) -> int:
        return int(self._ends[-1]) if self._ends.size else 0

    def __getitem__(self, places: slice) -> tuple[np.ndarray, np.ndarray]:
        """(source number, document of that source), int64, of places `start:stop`."""
        start, stop, _ = places.indices(len(self))
        mixed = permute(np.arange(start, stop), len(self), self._seed, "mixture")
        source = np.searchsorted(self._ends, mixed, side="right")
        instance = mixed - np.concatenate([[0], self._ends])[source]
        epoch, place = instance // self._documents[source], instance % self._documents[source]
        document = np.empty_like(place)
        # Each epoch has its own order: a partial epoch takes the documents that come first in it.
        for number, pass_ in sorted(set(zip(source.tolist(), epoch.tolist(), strict=True))):
            at = (source == number) & (epoch == pass_)
            document[at] = permute(place[at], int(self._documents[number]), self._seed, self.sources[number], pass_)
        return source, document
