"""What a benchmark has to define; `run.py` does the rest.

A benchmark is a subclass in its own file. It defines the items, their prompts, how to extract an answer and how to
judge it. Extracting and judging see only samples, so recorded answers can be scored again without a model.
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
    """`pools`: the items in parts; at most `params.limit` are taken from each part."""

    name: ClassVar[str]
    params: ItemParams
    pools: Sequence[Sequence[Item]]

    @property
    def shots(self) -> int | None:
        """Maximum examples before an item; `None` for a benchmark without examples."""
        return None

    def why_skipped(self) -> str | None:
        """Why the benchmark cannot run here, or `None`."""
        return None

    def check(self) -> None:
        """Raises `ValueError` if the items do not allow the parameters."""

    @abstractmethod
    def open(self, folder: Path) -> Model:
        """The model of a folder."""

    @abstractmethod
    def id(self, item: Item) -> str:
        """The item's name in samples."""

    def key(self, item: Item) -> str:
        """The key that decides, with the seed, whether the item is chosen."""
        return self.id(item)

    def choose(self) -> list[Item]:
        """The items to ask."""
        chosen = (choose(pool, self.params.limit, self.params.seed, self.key) for pool in self.pools)
        return [item for items in chosen for item in items]

    @abstractmethod
    def ask(self, model: Model, items: Sequence[Item]) -> list[Sample[Item, Answer]]:
        """Samples with their answers; those of one item are adjacent."""

    def reference(self, item: Item) -> str | None:
        """An answer that is right; `None` if the benchmark has none."""
        return None

    def constants(self, items: Sequence[Item]) -> Sequence[str]:
        """Answers to give to every item alike, among them those likely to be right most often."""
        return ()

    def answer(self, item: Item, text: str) -> Answer:
        """What `ask` would return for a model that answers `text`."""
        raise NotImplementedError

    def extract(self, sample: Sample[Item, Answer]) -> Mapping[str, str | None]:
        """The extracted answer by rule."""
        return {}

    def judge(self, samples: Sequence[Sample[Item, Answer]]) -> list[Sample[Item, Answer]]:
        """`samples` with their correctness by metric and rule."""
        return [replace(sample, correct=self.correct(sample)) for sample in samples]

    def correct(self, sample: Sample[Item, Answer]) -> Mapping[str, Mapping[str, bool | None]]:
        """Correctness by metric and rule, for a benchmark that runs nothing."""
        return {}

    def group(self, item: Item) -> str | None:
        """The part of the benchmark with a separate score, such as a subject."""
        return None

    def scores(self, samples: Sequence[Sample[Item, Answer]]) -> Scores:
        """Scores over `samples`, which are one group or all, without the undecided."""
        scores: Scores = {}
        for metric, rules in samples[0].correct.items():
            for rule in rules:
                verdicts = [sample.correct[metric][rule] for sample in samples]
                scores |= scored(metric, rule, [float(verdict) for verdict in verdicts if verdict is not None])
        return scores

    def overall(self, samples: Sequence[Sample[Item, Answer]], groups: Sequence[Scores]) -> Scores:
        """The benchmark's score from all samples and the scores of its groups."""
        return self.scores(samples)

    def results(self, samples: Sequence[Sample[Item, Answer]]) -> dict[str, Mapping[str, object]]:
        """Scores by name: the benchmark and its groups."""
        by_group: defaultdict[str, list[Sample[Item, Answer]]] = defaultdict(list)
        for sample in samples:
            if (group := self.group(sample.item)) is not None:
                by_group[f"{self.name}_{group}"].append(sample)
        groups = {name: self.scores(members) for name, members in sorted(by_group.items())}
        return {self.name: self.overall(samples, list(groups.values())), **groups}

    def higher_is_better(self, results: Mapping[str, Mapping[str, object]]) -> dict[str, bool]:
        return dict.fromkeys(metrics(results[self.name]), True)

    def counts(self, samples: Sequence[Sample[Item, Answer]]) -> Counter[str]:
        """Problems and how often they occurred."""
        return Counter()

    @abstractmethod
    def record(self, sample: Sample[Item, Answer]) -> Record:
        """A sample as written to the file."""

    def config(self, model: Model, samples: Sequence[Sample[Item, Answer]]) -> Record:
        """What a result records about its settings besides the parameters."""
        return {}

    def facts(self) -> Record:
        """Facts about this machine; for the notes, not for the result."""
        return {}
