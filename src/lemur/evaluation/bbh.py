"""BIG-Bench Hard: 27 reasoning tasks, three examples, no chain of thought (paper, Table 3; Suzgun et al. 2022)."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from lemur.benchmark_items.bbh import Examples, Question, read, read_examples
from lemur.evaluation.harness.parameters import GenerateParams
from lemur.evaluation.harness.run import run
from lemur.evaluation.harness.sample import Generated, Sample
from lemur.evaluation.harness.scores import Scores, macro
from lemur.evaluation.judging.exact_match import normalise_answer
from lemur.evaluation.kinds.generated import GeneratedTask, most_frequent
from lemur.inference.interface import Model, Prompt
from lemur.sources.fetched import load
from lemur.sources.reading.rows import readable


class Params(GenerateParams):
    shots: int = Field(description="examples of the task before each question", ge=0)
    limit: int | None = Field(description="questions per task, a seeded choice; null for all", gt=0)
    strip_prompt: bool = Field(
        description="let the model write the space after `A:`: tokenizers that keep a word with the space before it "
        "never saw a text end in a space"
    )


def bbh(params: Params, model: Path, benchmark: Path, *, result: Path, samples: Path) -> None:
    """Ask `model` the chosen questions of the fetched `benchmark`; write the result and one sample per question."""
    run(task(params, benchmark), model, result, samples)


def task(params: Params, benchmark: Path) -> "Bbh":
    source = load(benchmark)
    tests = [file for file in source.files if file.meta["split"] == "test"]
    pools = [readable(read(file)) for file in sorted(tests, key=lambda file: str(file.meta["task"]))]
    examples = {file.meta["task"]: read_examples(file) for file in source.files if file not in tests}
    return Bbh(params, pools, source, examples)


@dataclass(frozen=True)
class Bbh(GeneratedTask[Question]):
    """`examples` by task name."""

    name = "bbh"
    params: Params
    examples: Mapping[str, Examples]

    @property
    def shots(self) -> int:
        return self.params.shots

    def check(self) -> None:
        tasks = sorted({question.task for pool in self.pools for question in pool})
        if missing := [task for task in tasks if task not in self.examples]:
            raise ValueError(f"bbh: no examples for {', '.join(missing)}; each task needs a file of split dev")
        if short := [task for task in tasks if len(self.examples[task].shots) < self.shots]:
            raise ValueError(f"bbh.shots is {self.shots}, more examples than {', '.join(short)} have")

    def id(self, item: Question) -> str:
        return item.where

    def group(self, item: Question) -> str:
        return item.task

    def item_fields(self, item: Question) -> Mapping[str, str]:
        return {"task": item.task, "target": item.target}

    def prompt(self, model: Model, item: Question, shots: int) -> Prompt:
        before = self.examples[item.task].prompt_prefix(shots)
        return prompt(model, before, item, self.params.in_chat(model), self.params.strip_prompt)

    def stop(self, item: Question, in_chat: bool) -> Sequence[str]:
        return ["\n", "Q: "] if in_chat else ["\n"]

    def reference(self, item: Question) -> str:
        return f" {item.target}."

    def constants(self, items: Sequence[Question]) -> Sequence[str]:
        """One answer for all tasks."""
        return ["", *(f" {target}" for target in most_frequent(item.target for item in items))]

    def extract(self, sample: Sample[Question, Generated]) -> Mapping[str, str | None]:
        output = sample.answer.output
        return {"paper": first_sentence(output), "strict": first_line(output)}

    def unanswered(self, sample: Sample[Question, Generated]) -> bool:
        return not sample.extraction["strict"]

    def correct(self, sample: Sample[Question, Generated]) -> Mapping[str, Mapping[str, bool]]:
        target = sample.item.target
        paper = sample.answer.asked and normalise_answer(sample.extraction["paper"] or "") == normalise_answer(target)
        strict = (sample.extraction["strict"] or "").casefold() == target.strip().casefold()
        return {"exact_match": {"paper": paper, "strict": strict}}

    def overall(self, samples: Sequence[Sample[Question, Generated]], groups: Sequence[Scores]) -> Scores:
        return macro("exact_match", "paper", groups) | macro("exact_match", "strict", groups)


def prompt(model: Model, before: str, question: Question, in_chat: bool, strip: bool) -> Prompt:
    """`strip`: drop the space at the end of the plain prompt."""
    text = f"{before}\n\nQ: {question.input}"
    if in_chat:
        text = model.chat_prompt([{"role": "user", "content": text}], prefill="A:")
    else:
        text = f"{text}\nA:" if strip else f"{text}\nA: "
    return Prompt(text, text.rfind(question.input))


def first_sentence(output: str) -> str:
    """The paper's rule: the first paragraph up to its first period; if that has round brackets and no square ones, its
    first `(x)`."""
    text = output.strip().split("\n\n")[0].strip()
    if sentence := re.search(r"(.*?)\.", text):
        text = sentence[1].strip()
    if "(" in text and ")" in text and "[" not in text and "]" not in text and (option := re.search(r"\(\w\)", text)):
        return option[0]
    return text


def first_line(output: str) -> str:
    """Strict rule: the first line without its final period; if the line begins with an option `(X)`, the option."""
    line = (output.strip().splitlines() or [""])[0].strip()
    option = re.match(r"\(\w\)(?=$|[\s.,:])", line)
    return option[0] if option else line.removesuffix(".").rstrip()
