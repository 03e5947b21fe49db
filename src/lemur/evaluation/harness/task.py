"""What a benchmark has to say about itself; `run.py` does the rest.

A benchmark is a subclass in a file of its own: which items it has, how one is asked, what an answer says, whether that
is right. Extracting and judging see samples only, so recorded answers can be scored again without a model.
"""

from abc import ABC, abstractmethod
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Generic

from lemur.core.records import Record
from lemur.evaluation.harness.asking import choose
from lemur.evaluation.harness.parameters import ItemParams
from lemur.evaluation.harness.sample import Answer, Item, Sample
from lemur.evaluation.harness.scores import Scores, metrics, scored
from lemur.inference.interface import Model


@dataclass(frozen=True)
class Task(ABC, Generic[Item, Answer]):
    """`pools`: its items, in parts of each of which `params.limit` are taken."""

    name: ClassVar[str]
    params: ItemParams
    pools: Sequence[Sequence[Item]]

    @property
    def shots(self) -> int | None:
        """Most examples before an item; `None` for a benchmark without."""
        return None

    def why_skipped(self) -> str | None:
        """Why it cannot be evaluated here, or `None`."""
        return None

    def check(self) -> None:
        """Raises `ValueError` where the items do not allow the parameters."""

    @abstractmethod
    def open(self, folder: Path) -> Model:
        """The model of a folder."""

    @abstractmethod
    def id(self, item: Item) -> str:
        """The item's name in samples."""

    def key(self, item: Item) -> str:
        """What decides, with the seed, whether the item is taken."""
        return self.id(item)

    def choose(self) -> list[Item]:
        """The items that are asked."""
        taken = (choose(pool, self.params.limit, self.params.seed, self.key) for pool in self.pools)
        return [item for items in taken for item in items]

    @abstractmethod
    def ask(self, model: Model, items: Sequence[Item]) -> list[Sample[Item, Answer]]:
        """Samples with their answers, an item's one after the other."""

    def extract(self, sample: Sample[Item, Answer]) -> Mapping[str, str | None]:
        """What the answer says, by rule."""
        return {}

    def judge(self, samples: Sequence[Sample[Item, Answer]]) -> list[Sample[Item, Answer]]:
        """`samples` with what is correct, by metric and rule."""
        return [replace(sample, correct=self.correct(sample)) for sample in samples]

    def correct(self, sample: Sample[Item, Answer]) -> Mapping[str, Mapping[str, bool]]:
        """By metric and rule, for a benchmark that needs to run nothing."""
        return {}

    def group(self, item: Item) -> str | None:
        """The part of the benchmark, such as a subject, that has a score of its own."""
        return None

    def scores(self, samples: Sequence[Sample[Item, Answer]]) -> Scores:
        """The score of samples of one group, or of all."""
        scores: Scores = {}
        for metric, rules in samples[0].correct.items():
            for rule in rules:
                scores |= scored(metric, rule, [float(sample.correct[metric][rule]) for sample in samples])
        return scores

    def overall(self, samples: Sequence[Sample[Item, Answer]], groups: Sequence[Scores]) -> Scores:
        """The benchmark's score, of all samples and the scores of its groups."""
        return self.scores(samples)

    def results(self, samples: Sequence[Sample[Item, Answer]]) -> dict[str, Mapping[str, object]]:
        """Scores by name: the benchmark's and its groups'."""
        by_group: defaultdict[str, list[Sample[Item, Answer]]] = defaultdict(list)
        for sample in samples:
            if (group := self.group(sample.item)) is not None:
                by_group[f"{self.name}_{group}"].append(sample)
        groups = {name: self.scores(members) for name, members in sorted(by_group.items())}
        return {self.name: self.overall(samples, list(groups.values())), **groups}

    def higher_is_better(self, results: Mapping[str, Mapping[str, object]]) -> dict[str, bool]:
        return dict.fromkeys(metrics(results[self.name]), True)

    def counts(self, samples: Sequence[Sample[Item, Answer]]) -> Counter[str]:
        """What went wrong, and how often."""
        return Counter()

    @abstractmethod
    def record(self, sample: Sample[Item, Answer]) -> Record:
        """A sample as it is written."""

    def config(self, model: Model, samples: Sequence[Sample[Item, Answer]]) -> Record:
        """What a result says about how it was made, besides the parameters."""
        return {}

    def facts(self) -> Record:
        """What held or ran here; for the notes, not for the result."""
        return {}
