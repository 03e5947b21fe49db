"""GSM8K: grade-school word problems, answered with a chain of thought after eight examples (paper, Table 3)."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from lemur.benchmark_items.gsm8k import Problem, read, read_fewshot
from lemur.evaluation.harness.parameters import GenerateParams
from lemur.evaluation.harness.run import run
from lemur.evaluation.harness.sample import Generated, Sample
from lemur.evaluation.judging.exact_match import normalise_answer
from lemur.evaluation.judging.numbers import same_number, stated_number
from lemur.evaluation.kinds.generated import GeneratedTask, most_frequent
from lemur.inference.interface import Model, Prompt
from lemur.sources.fetched import Fetched, load
from lemur.sources.reading.rows import readable


class Params(GenerateParams):
    shots: int = Field(description="worked examples before each question", ge=0)


def gsm8k(params: Params, model: Path, benchmark: Path, *, result: Path, samples: Path) -> None:
    """Ask `model` the chosen problems of the fetched `benchmark`; write the result and one sample per problem."""
    run(task(params, benchmark), model, result, samples)


def task(params: Params, benchmark: Path) -> "Gsm8k":
    source = load(benchmark)
    return Gsm8k(params, [problems(source, "test")], source, examples(source))


def problems(source: Fetched, split: str) -> list[Problem]:
    return [problem for file in source.files if file.meta["split"] == split for problem in readable(read(file))]


def examples(source: Fetched) -> list[Problem]:
    """The eight examples of Wei et al. (2022, Table 20) if the source has them, else its train problems."""
    for file in source.files:
        if file.meta["split"] == "test" and (path := file.companion("fewshot")) is not None:
            return read_fewshot(path)
    return problems(source, "train")


@dataclass(frozen=True)
class Gsm8k(GeneratedTask[Problem]):
    name = "gsm8k"
    params: Params
    examples: Sequence[Problem]

    @property
    def shots(self) -> int:
        return self.params.shots

    def check(self) -> None:
        if len(self.examples) < self.shots:
            raise ValueError(
                f"gsm8k.shots is {self.shots}, but the source has only {len(self.examples)} examples; lower gsm8k.shots"
            )

    def id(self, item: Problem) -> str:
        return item.where

    def item_fields(self, item: Problem) -> Mapping[str, str]:
        return {"target": item.answer}

    def prompt(self, model: Model, item: Problem, shots: int) -> Prompt:
        return prompt(model, self.examples[:shots], item, self.params.in_chat(model))

    def stop(self, item: Problem, in_chat: bool) -> Sequence[str]:
        """A chat model ends its turn by itself. A plain model continues with the next question, so only its first line
        is the answer."""
        return [] if in_chat else ["\n"]

    def reference(self, item: Problem) -> str:
        """One line, like the examples: the answer to a plain prompt ends with its first line."""
        return f" {item.solution} So the answer is {item.answer}.".replace("\n", " ")

    def constants(self, items: Sequence[Problem]) -> Sequence[str]:
        return ["", *(f" So the answer is {number}." for number in most_frequent(item.answer for item in items))]

    def extract(self, sample: Sample[Problem, Generated]) -> Mapping[str, str | None]:
        output = sample.answer.output
        return {"paper": last_number(output), "strict": stated_number(output)}

    def unanswered(self, sample: Sample[Problem, Generated]) -> bool:
        return sample.extraction["strict"] is None

    def correct(self, sample: Sample[Problem, Generated]) -> Mapping[str, Mapping[str, bool]]:
        target = sample.item.answer
        paper = sample.answer.asked and normalise_answer(sample.extraction["paper"] or "") == normalise_answer(target)
        return {"exact_match": {"paper": paper, "strict": same_number(sample.extraction["strict"], target)}}


def prompt(model: Model, shots: Sequence[Problem], problem: Problem, in_chat: bool) -> Prompt:
    worked = [
        f"Question: {shot.question}\nAnswer: {shot.solution} So the answer is {shot.answer}.\n\n" for shot in shots
    ]
    text = f"Answer the following questions.\n\n{''.join(worked)}Question: {problem.question}"
    messages = [{"role": "user", "content": text}]
    text = model.chat_prompt(messages, prefill="Answer:") if in_chat else f"{text}\nAnswer:"
    return Prompt(text, text.rfind(problem.question))


def last_number(output: str) -> str:
    """The paper's rule, as its script has it: the last number, else the whole output. An integer loses its sign and
    1,2,3 becomes 12,3, which ends with 3 (known flaws)."""
    text = re.sub(r"(\d),(\d)", r"\1\2", output)
    numbers: list[str] = re.findall(r"[-+]?\d*\.\d+|\d+", text)
    return numbers[-1] if numbers else text
