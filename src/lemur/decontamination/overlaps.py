"""What happens to texts that overlap benchmark items, by each benchmark's action, and the report of it."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pydantic import Field

from lemur.core.params import StageParams
from lemur.core.records import Record
from lemur.decontamination.index import BenchmarkIndex
from lemur.decontamination.items import read_items
from lemur.decontamination.planted import Sample, evaluate

Action = Literal["remove", "report", "ignore"]
REMOVE: Action = "remove"
SHOWN = 50  # a report shows at most this many overlaps, and item names per benchmark


class OverlapParams(StageParams):
    """Parameters of a stage that compares its data with the benchmarks."""

    benchmarks: dict[str, Action] = Field(
        description="what to do about overlap with each benchmark: remove (the default), report or ignore"
    )
    ngram: int = Field(ge=4, description="words in an n-gram of text")
    code_ngram: int = Field(ge=4, description="tokens in an n-gram of code")
    minimum_share: float = Field(
        gt=0, le=1, description="smallest share of an item's n-grams that counts as an overlap"
    )


@dataclass
class Findings:
    """The overlaps found in some texts; those of several parts of the texts add up."""

    pairs: dict[str, Counter[str]] = field(default_factory=dict)
    """By benchmark, (text, item) pairs by outcome."""
    items: dict[str, set[str]] = field(default_factory=dict)
    """By benchmark, the items that occur in the texts."""
    shown: list[Record] = field(default_factory=list)
    """The first overlaps."""

    def pair(self, benchmark: str, kind: str) -> None:
        """Count a text and an item of this benchmark."""
        self.pairs.setdefault(benchmark, Counter())[kind] += 1

    def show(self, benchmark: str, item: str, overlap: Record) -> None:
        self.items.setdefault(benchmark, set()).add(item)
        if len(self.shown) < SHOWN:
            self.shown.append(overlap)

    def add(self, later: "Findings") -> None:
        """Add what was found in texts that follow."""
        for benchmark, kinds in later.pairs.items():
            self.pairs.setdefault(benchmark, Counter()).update(kinds)
        for benchmark, items in later.items.items():
            self.items.setdefault(benchmark, set()).update(items)
        self.shown += later.shown[: SHOWN - len(self.shown)]

    def report(self) -> Record:
        """(text, item) pairs by outcome, the items that occur in the texts, and the first overlaps."""
        return {
            "pairs": {name: dict(sorted(kinds.items())) for name, kinds in sorted(self.pairs.items())},
            "items": {
                name: {"count": len(items), "first": sorted(items)[:SHOWN]}
                for name, items in sorted(self.items.items())
            },
            "shown": self.shown,
        }


class Overlaps:
    """Decide what happens to texts that overlap benchmark items, by each benchmark's action."""

    def __init__(
        self,
        index: BenchmarkIndex,
        actions: Mapping[str, Action],
        minimum_share: float,
        sample: Sample | None = None,
    ) -> None:
        """`actions` by benchmark; overlaps with one that is not named are removed. `sample`: items to plant."""
        self._sample = sample or Sample()
        self._index = index
        self._actions = {**dict.fromkeys(index.summary(), REMOVE), **actions}
        self._minimum_share = minimum_share

    @classmethod
    def with_sources(cls, params: OverlapParams, *folders: Path) -> "Overlaps":
        """With the benchmarks in the fetched folders `data/raw/<benchmark>/`."""
        unreadable: Counter[str] = Counter()
        sample = Sample()
        items = sample.keep(read_items(folders, unreadable))
        index = BenchmarkIndex(items, ngram=params.ngram, code_ngram=params.code_ngram, unreadable=unreadable)
        return cls(index, params.benchmarks, params.minimum_share, sample)

    def judge(self, identifier: str, text: str, findings: Findings | None = None) -> Record | None:
        """The overlap with the largest share that requires removing the text; None if the text stays. All overlaps are
        added to `findings`."""
        findings = Findings() if findings is None else findings
        removed: Record | None = None
        for match in self._index.find(text):
            action = self._actions[match.benchmark]
            if action == "ignore":
                continue
            overlaps = match.share >= self._minimum_share
            kind = "below_share" if not overlaps else "removed" if action == "remove" else "reported"
            findings.pair(match.benchmark, kind)
            if not overlaps:
                continue
            overlap = {**vars(match), "share": round(match.share, 4)}
            findings.show(match.benchmark, match.item, {"id": identifier, "action": kind, **overlap})
            if kind == "removed" and removed is None:
                removed = overlap
        return removed

    def _overlaps(self, text: str) -> bool:
        return any(match.share >= self._minimum_share for match in self._index.find(text))

    def compared(self) -> Record:
        """The indexed benchmarks, the benchmarks of params.yaml that were not checked and why, and how many planted
        copies are found."""
        benchmarks = self._index.summary()
        compared = {name for name, row in benchmarks.items() if row["items"] > row["uncheckable"]}
        return {
            "benchmarks": benchmarks,
            "not_checked": {
                name: "ignored" if action == "ignore" else "no items to compare with"
                for name, action in sorted(self._actions.items())
                if action == "ignore" or name not in compared
            },
            "planted": evaluate(self._sample.items(), self._overlaps),
        }
