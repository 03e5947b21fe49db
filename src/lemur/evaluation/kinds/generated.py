"""Benchmarks with generated answers."""

from abc import abstractmethod
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby

from lemur.core.records import Record
from lemur.evaluation.harness.asking import generate_fitting
from lemur.evaluation.harness.parameters import GenerateParams
from lemur.evaluation.harness.sample import Generated, Item, Sample
from lemur.evaluation.kinds.prompted import PromptedTask
from lemur.inference.interface import Model
from lemur.inference.text import first_stop

FREQUENT = 20
"""Targets that are tried as constant answers."""


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
        in_chat = self.params.in_chat(model)
        samples = []
        for stop, members in groupby(items, key=lambda item: self.params.stops(self.stop(item, in_chat))):
            group = list(members)
            prompts = [self.fit_prompt(model, item) for item in group]
            texts = [prompt for prompt, _ in prompts]
            rounds = [self.generate(model, texts, stop, *draw) for draw in self.draws()]
            for item, (prompt, shots), *answers in zip(group, prompts, *rounds, strict=True):
                samples += [Sample(item, prompt, shots, answer) for answer in answers]
        return samples

    def answer(self, item: Item, text: str) -> Generated:
        return Generated(text[: first_stop(text, self.params.stops(self.stop(item, False)))], "stop")

    def generate(
        self, model: Model, prompts: Sequence[str], stop: Sequence[str], temperature: float, seed: int
    ) -> list[Generated]:
        """Answers in the order of `prompts`. Those that a stop string cut short are asked again without any."""

        def ask(prompts: Sequence[str], stop: Sequence[str]) -> list[Generated]:
            tokens = self.params.max_new_tokens
            return generate_fitting(
                model, prompts, max_new_tokens=tokens, stop=stop, temperature=temperature, seed=seed
            )

        answers = ask(prompts, stop)
        if again := [index for index, answer in enumerate(answers) if self.is_cut_short(answer)]:
            for index, answer in zip(again, ask([prompts[index] for index in again], ()), strict=True):
                answers[index] = answer
        return answers

    def is_cut_short(self, answer: Generated) -> bool:
        """Whether a stop string ended an answer too early."""
        return False

    def until_stop(self, output: str, stop: Sequence[str]) -> str:
        """The output up to the first stop string, where the benchmark's own script ends it; `stop` are its own."""
        return output[: first_stop(output, self.params.stops(stop))]

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
        stops = [self.params.stops(self.stop(sample.item, self.params.in_chat(model))) for sample in samples[:1]]
        return {**super().config(model, samples), "stop": stops[0]}


def most_frequent(targets: Iterable[str]) -> list[str]:
    """The most frequent targets; ties in the order of their first occurrence."""
    return [target for target, _ in Counter(targets).most_common(FREQUENT)]
