"""Recall and precision of the decontamination, on copies of this build's benchmark items planted in plain documents.

Each item is planted in every form in which people store it, and once with a clause inserted. What is not a copy: the
first sixth of one item with the last sixth of another of the same benchmark (thirds often hold a whole question, which
is a copy).
"""

import hashlib
import heapq
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from random import Random

from lemur.core.records import Record
from lemur.decontamination.forms import forms, with_clause
from lemur.decontamination.items import Item

SAMPLE = 20  # items of each benchmark
INSERTED = "clause inserted"
NOT_A_COPY = "sixths of two items"
_DOCUMENT = "Here is one of the exercises that I looked at yesterday.\n\n{}\n\nI hope that it is of use to somebody."


class Sample:
    """The items of each benchmark with the smallest hashes of their names."""

    def __init__(self, size: int = SAMPLE) -> None:
        self._size = size
        self._chosen: defaultdict[str, list[tuple[int, int, Item]]] = defaultdict(list)

    def keep(self, items: Iterable[Item]) -> Iterator[Item]:
        """Pass the items on."""
        for number, item in enumerate(items):
            digest = hashlib.sha256(f"{item.benchmark} {item.name}".encode()).digest()
            heap = self._chosen[item.benchmark]
            heapq.heappush(heap, (-int.from_bytes(digest[:8], "big"), -number, item))
            if len(heap) > self._size:
                heapq.heappop(heap)
            yield item

    def items(self) -> dict[str, list[Item]]:
        return {
            benchmark: [item for *_, item in sorted(heap, key=lambda entry: -entry[1])]
            for benchmark, heap in sorted(self._chosen.items())
        }


def evaluate(items: dict[str, list[Item]], is_removed: Callable[[str], bool]) -> Record:
    """By benchmark: recall of each form, and precision over what `is_removed` says of copies and of what is none."""
    report: Record = {}
    for benchmark, sample in items.items():
        planted: Counter[str] = Counter()
        removed: Counter[str] = Counter()
        for form, text in documents(sample):
            planted[form] += 1
            removed[form] += is_removed(text)
        wrong = removed.pop(NOT_A_COPY, 0)
        others = planted.pop(NOT_A_COPY, 0)
        report[benchmark] = {
            "forms": {form: {"planted": count, "found": removed[form]} for form, count in planted.items()},
            "recall": round(removed.total() / planted.total(), 4) if planted else None,
            "others": {NOT_A_COPY: {"planted": others, "found": wrong}},
            "precision": round(removed.total() / (removed.total() + wrong), 4) if removed.total() + wrong else None,
        }
    return report


def documents(sample: list[Item]) -> Iterator[tuple[str, str]]:
    """(form, document) for the items of one benchmark."""
    texts: list[list[str]] = []
    for item in sample:
        stored = forms(item)
        for form, text in stored.items():
            yield form, _DOCUMENT.format(text)
        if stored:
            text = next(iter(stored.values()))
            yield INSERTED, _DOCUMENT.format(with_clause(text, Random(f"{item.benchmark} {item.name}")))
            texts.append(text.split())
    for start, end in zip(texts, [*texts[1:], *texts[:1]], strict=True):
        if start is not end:
            mixed = start[: len(start) // 6] + end[len(end) - len(end) // 6 :]
            yield NOT_A_COPY, _DOCUMENT.format(" ".join(mixed))
