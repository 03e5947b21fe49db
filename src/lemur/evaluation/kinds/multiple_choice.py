"""Multiple-choice benchmarks: the answer is the likeliest of several continuations."""

from abc import abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lemur.core.records import Record
from lemur.evaluation.harness.sample import NO_RULE, Item, Likelihoods, Sample
from lemur.evaluation.kinds.prompted import PromptedTask
from lemur.inference.interface import Model


@dataclass(frozen=True)
class ChoiceTask(PromptedTask[Item, Likelihoods]):
    @abstractmethod
    def choices(self, item: Item) -> Sequence[str]:
        """The continuations, each with its leading space; the first is the shortest."""

    @abstractmethod
    def target(self, item: Item) -> str:
        """The correct one, without its space."""

    def max_prompt_tokens(self, model: Model, item: Item) -> int:
        return model.context_length - model.count_tokens(self.choices(item)[0])

    def ask(self, model: Model, items: Sequence[Item]) -> list[Sample[Item, Likelihoods]]:
        prompts = [self.fit_prompt(model, item) for item in items]
        pairs = list(zip(items, prompts, strict=True))
        scores = iter(
            model.loglikelihood([(prompt, choice) for item, (prompt, _) in pairs for choice in self.choices(item)])
        )
        samples = []
        for item, (prompt, shots) in pairs:
            logprobs = {choice: next(scores).logprob for choice in self.choices(item)}
            cut = model.count_tokens(prompt) > self.max_prompt_tokens(model, item)
            samples.append(Sample(item, prompt, shots, Likelihoods(logprobs, cut)))
        return samples

    def reference(self, item: Item) -> str:
        return f" {self.target(item)}"

    def answer(self, item: Item, text: str) -> Likelihoods:
        return Likelihoods({choice: float(choice == text) for choice in self.choices(item)}, False)

    def extract(self, sample: Sample[Item, Likelihoods]) -> Mapping[str, str | None]:
        logprobs = sample.answer.logprobs
        return {NO_RULE: max(logprobs, key=lambda choice: logprobs[choice]).strip()}  # ties: the first, as argmax

    def correct(self, sample: Sample[Item, Likelihoods]) -> Mapping[str, Mapping[str, bool]]:
        return {"acc": {NO_RULE: sample.extraction[NO_RULE] == self.target(sample.item)}}

    def counts(self, samples: Sequence[Sample[Item, Likelihoods]]) -> Counter[str]:
        counts = super().counts(samples)
        counts["prompt_cut"] = sum(sample.answer.cut for sample in samples)
        return counts

    def record(self, sample: Sample[Item, Likelihoods]) -> Record:
        return {
            **super().record(sample),
            "logprobs": sample.answer.logprobs,
            "target": self.target(sample.item),
            "correct": sample.correct["acc"][NO_RULE],
        }
