"""MMLU: four-way questions from 57 subjects, answered by the likeliest letter (Table 3; Hendrycks et al. 2021)."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from lemur.benchmark_items.mmlu import LETTERS, Question, read
from lemur.evaluation.harness.parameters import AskParams
from lemur.evaluation.harness.run import run
from lemur.evaluation.harness.sample import Likelihoods, Sample
from lemur.evaluation.harness.scores import Scores, group_values, mean
from lemur.evaluation.kinds.multiple_choice import ChoiceTask
from lemur.inference.interface import Model, Prompt
from lemur.sources.fetched import load
from lemur.sources.reading.rows import readable


class Params(AskParams):
    shots: int = Field(description="examples from the subject's dev split before each question", ge=0)
    limit: int | None = Field(description="questions per subject, a seeded choice; null for all", gt=0)


def mmlu(params: Params, model: Path, benchmark: Path, *, result: Path, samples: Path) -> None:
    """Ask `model` the chosen questions of the fetched `benchmark`; write the result and one sample per question."""
    run(task(params, benchmark), model, result, samples)


def task(params: Params, benchmark: Path) -> "Mmlu":
    """Raises `ValueError` for the first bad record."""
    source = load(benchmark)
    splits: dict[str, defaultdict[str, list[Question]]] = {"dev": defaultdict(list), "test": defaultdict(list)}
    for file in source.files:
        for question in readable(read(file)):
            splits[file.meta["split"]][question.subject].append(question)
    return Mmlu(params, [questions for _, questions in sorted(splits["test"].items())], source, splits["dev"])


@dataclass(frozen=True)
class Mmlu(ChoiceTask[Question]):
    """`dev`: examples by subject."""

    name = "mmlu"
    params: Params
    dev: Mapping[str, list[Question]]

    @property
    def shots(self) -> int:
        return self.params.shots

    def shots_for(self, item: Question) -> int:
        return len(self.dev[item.subject][: self.shots])

    def id(self, item: Question) -> str:
        return item.where

    def group(self, item: Question) -> str:
        return item.subject

    def item_fields(self, item: Question) -> Mapping[str, str]:
        return {"subject": item.subject}

    def prompt(self, model: Model, item: Question, shots: int) -> Prompt:
        return prompt(model, self.dev[item.subject][:shots], item, self.params.in_chat(model))

    def choices(self, item: Question) -> Sequence[str]:
        return [f" {letter}" for letter in LETTERS]

    def target(self, item: Question) -> str:
        return item.answer

    def constants(self, items: Sequence[Question]) -> Sequence[str]:
        return [f" {letter}" for letter in LETTERS]

    def overall(self, samples: Sequence[Sample[Question, Likelihoods]], groups: Sequence[Scores]) -> Scores:
        """The paper's script averages over questions, not over subjects."""
        return {**self.scores(samples), "acc_macro,none": mean(group_values("acc", "none", groups))}


def prompt(model: Model, shots: list[Question], question: Question, in_chat: bool) -> Prompt:
    """The original prompt, including its two spaces before the subject. All questions of a subject share the text
    before the question."""
    words = question.subject.replace("_", " ")
    head = f"The following are multiple choice questions (with answers) about  {words}.\n\n"
    text = head + "".join(f"{format_question(shot)} {shot.answer}\n\n" for shot in shots) + format_question(question)
    if in_chat:
        message = {"role": "user", "content": text.removesuffix("\nAnswer:")}
        text = model.chat_prompt([message], prefill="Answer:")
    return Prompt(text, text.rfind(format_question(question).removesuffix("\nAnswer:")))


def format_question(question: Question) -> str:
    options = "".join(f"\n{letter}. {choice}" for letter, choice in zip(LETTERS, question.choices, strict=True))
    return f"{question.question}{options}\nAnswer:"
