"""Benchmarks with generated answers."""

from abc import abstractmethod
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import groupby

from lemur.core.records import Record
from lemur.evaluation.harness.asking import generate_fitting
from lemur.evaluation.harness.parameters import GenerateParams
from lemur.evaluation.harness.sample import Generated, Item, Sample
from lemur.evaluation.kinds.prompted import PromptedTask
from lemur.inference.interface import Model


@dataclass(frozen=True)
class GeneratedTask(PromptedTask[Item, Generated]):
    params: GenerateParams

    @abstractmethod
    def stop(self, item: Item, in_chat: bool) -> Sequence[str]:
        """The benchmark's own stop strings."""

    def max_prompt_tokens(self, model: Model, item: Item) -> int:
        return model.context_length - self.params.max_new_tokens

    def draws(self) -> list[tuple[float, int]]:
        """Temperature and seed of each answer to an item."""
        return [(0.0, self.params.seed)]

    def ask(self, model: Model, items: Sequence[Item]) -> list[Sample[Item, Generated]]:
        in_chat = self.in_chat(model)
        samples = []
        for stop, members in groupby(items, key=lambda item: self.params.stops(self.stop(item, in_chat))):
            group = list(members)
            prompts = [self.fit_prompt(model, item) for item in group]
            rounds = [
                generate_fitting(
                    model,
                    [prompt for prompt, _ in prompts],
                    max_new_tokens=self.params.max_new_tokens,
                    stop=stop,
                    temperature=temperature,
                    seed=seed,
                )
                for temperature, seed in self.draws()
            ]
            for item, (prompt, shots), *answers in zip(group, prompts, *rounds, strict=True):
                samples += [Sample(item, prompt, shots, answer) for answer in answers]
        return samples

    def unanswered(self, sample: Sample[Item, Generated]) -> bool:
        return not sample.answer.output.strip()

    def counts(self, samples: Sequence[Sample[Item, Generated]]) -> Counter[str]:
        counts = super().counts(samples)
        counts["prompt_too_long"] = sum(not sample.answer.asked for sample in samples)
        counts["truncated"] = sum(sample.answer.finish == "length" for sample in samples)
        counts["unanswered"] = sum(self.unanswered(sample) for sample in samples)
        return counts

    def record(self, sample: Sample[Item, Generated]) -> Record:
        return {**super().record(sample), **asdict(sample.answer)}

    def config(self, model: Model, samples: Sequence[Sample[Item, Generated]]) -> Record:
        stops = [self.params.stops(self.stop(sample.item, self.in_chat(model))) for sample in samples[:1]]
        return {**super().config(model, samples), "stop": stops[0]}
