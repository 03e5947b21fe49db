"""Benchmarks with prompts, in the model's chat template or plain, after as many examples as fit."""

from abc import abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

from lemur.core.records import Record
from lemur.evaluation.harness.asking import fit_shots
from lemur.evaluation.harness.parameters import AskParams
from lemur.evaluation.harness.result import origin
from lemur.evaluation.harness.sample import NO_RULE, Answer, Item, Sample
from lemur.evaluation.harness.task import Task
from lemur.inference import backends
from lemur.inference.interface import Model
from lemur.sources.fetched import Fetched

Value = TypeVar("Value")


@dataclass(frozen=True)
class PromptedTask(Task[Item, Answer]):
    """`source`: where the items come from."""

    params: AskParams
    source: Fetched

    def shots_for(self, item: Item) -> int:
        """Maximum examples available for `item`."""
        return self.shots or 0

    @abstractmethod
    def prompt(self, model: Model, item: Item, shots: int) -> str:
        """The prompt with `shots` examples."""

    @abstractmethod
    def max_prompt_tokens(self, model: Model, item: Item) -> int:
        """Maximum tokens of a prompt."""

    def item_fields(self, item: Item) -> Mapping[str, str]:
        """Fields of the item, besides the id, that a sample records."""
        return {}

    def why_skipped(self) -> str | None:
        return None if any(self.pools) else f"the source {self.source.name} is left out"

    def open(self, folder: Path) -> Model:
        params = self.params
        return backends.open_model(
            folder,
            params.backend,
            task=self.name,
            tile=params.tile,
            bos=params.bos,
            context=params.context,
        )

    def fit_prompt(self, model: Model, item: Item) -> tuple[str, int | None]:
        """The prompt with as many examples as fit, and their number."""
        limit = self.max_prompt_tokens(model, item)
        prompt, count = fit_shots(lambda shots: self.prompt(model, item, shots), self.shots_for(item), model, limit)
        return prompt, None if self.shots is None else count

    def counts(self, samples: Sequence[Sample[Item, Answer]]) -> Counter[str]:
        counts: Counter[str] = Counter()
        if self.shots is not None:
            shots = {self.id(sample.item): sample.shots or 0 for sample in samples}
            counts["fewer_shots"] = sum(count < self.shots for count in shots.values())
        return counts

    def record(self, sample: Sample[Item, Answer]) -> Record:
        record: Record = {
            "id": self.id(sample.item),
            "prompt": sample.prompt,
            **self.item_fields(sample.item),
            "extraction": _of_rules(sample.extraction),
            "correct": sample.correct if len(sample.correct) > 1 else next(iter(sample.correct.values())),
        }
        if sample.shots is not None:
            record["shots"] = sample.shots
        if sample.verdict:
            record["verdict"] = _of_rules({rule: asdict(verdict) for rule, verdict in sample.verdict.items()})
        return record

    def config(self, model: Model, samples: Sequence[Sample[Item, Answer]]) -> Record:
        return {"data": self.data(), "chat": "chat" if self.params.in_chat(model) else "completion"}

    def data(self) -> Record:
        return origin(self.source)


def _of_rules(values: Mapping[str, Value]) -> Value | Mapping[str, Value]:
    """`values` by rule, or the single value if there is only one rule."""
    return values[NO_RULE] if set(values) == {NO_RULE} else values
