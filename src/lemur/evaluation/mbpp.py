"""MBPP: write a Python program from one sentence; three tests judge it in the sandbox (Table 3; Austin et al. 2021)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from lemur.benchmark_items.mbpp import EXAMPLES, TEST, Problem, read
from lemur.evaluation.harness.parameters import ProgramParams
from lemur.evaluation.harness.run import run
from lemur.evaluation.harness.sample import NO_RULE, Generated, Sample
from lemur.evaluation.kinds.programs import ProgramTask
from lemur.inference.interface import Model, Prompt
from lemur.sources.fetched import load
from lemur.sources.reading.rows import readable

STOP = ("\nassert", "\nprint")


class Params(ProgramParams):
    shots: int = Field(description="solved problems before each one", ge=0, le=len(EXAMPLES))


def mbpp(params: Params, model: Path, benchmark: Path, *, result: Path, samples: Path) -> None:
    """Let `model` solve the chosen problems of the fetched `benchmark`, run the programs, and write the result and one
    sample per completion. Without a sandbox nothing runs and the result is `skipped`."""
    run(task(params, benchmark), model, result, samples)


def task(params: Params, benchmark: Path) -> "Mbpp":
    source = load(benchmark)
    problems = [problem for file in source.files for problem in readable(read(file))]
    test = [problem for problem in problems if problem.task_id in TEST]
    examples = {problem.task_id: problem for problem in problems if problem.task_id in EXAMPLES}
    return Mbpp(params, [test], source, examples)


@dataclass(frozen=True)
class Mbpp(ProgramTask[Problem]):
    """`examples` by task_id."""

    name = "mbpp"
    rules = ("paper", "strict")
    params: Params
    examples: Mapping[int, Problem]

    @property
    def shots(self) -> int:
        return self.params.shots

    def check(self) -> None:
        if missing := [number for number in EXAMPLES if number not in self.examples]:
            raise ValueError(f"mbpp: the source lacks problems {missing}; the examples are {EXAMPLES}")

    def id(self, item: Problem) -> str:
        return str(item.task_id)

    def prompt(self, model: Model, item: Problem, shots: int) -> Prompt:
        return prompt(model, [self.examples[number] for number in EXAMPLES[:shots]], item, self.params.in_chat(model))

    def stop(self, item: Problem, in_chat: bool) -> Sequence[str]:
        """The paper's script cuts at the first of these afterwards, with the same result."""
        return ["\n[/PYTHON]" if in_chat else "\n[DONE]", *STOP]

    def reference(self, item: Problem) -> str:
        return f"\n{item.code}\n[DONE]"

    def constants(self, items: Sequence[Problem]) -> Sequence[str]:
        """Only the tests name the function, so no constant program defines it."""
        return ["", "\npass"]

    def extract(self, sample: Sample[Problem, Generated]) -> Mapping[str, str | None]:
        return {NO_RULE: self.code(sample).strip()}

    def program(self, sample: Sample[Problem, Generated], rule: str) -> str:
        """The paper's script runs an answer with its fences."""
        answer = sample.answer.output.strip() if rule == "paper" else sample.extraction[NO_RULE] or ""
        return sample.item.program(answer, rule)


def prompt(model: Model, shots: list[Problem], problem: Problem, in_chat: bool) -> Prompt:
    """The paper's prompts; a chat prompt uses the model's template (the script has no `<|im_end|>` after examples)."""
    task = "You are an expert Python programmer, and here is your task: "
    if not in_chat:

        def request(problem: Problem) -> str:
            return f"{task}{problem.text.strip()} Your code should pass these tests:\n\n{problem.tests}\n[BEGIN]"

        before = "".join(f"{request(shot)}\n{shot.code}\n[DONE]\n" for shot in shots)
        return Prompt(before + request(problem), len(before))
    messages = []
    for shot in [*shots, problem]:
        instruction = "Your code should start with a [PYTHON] tag and end with a [/PYTHON] tag."
        text = f"{task}{shot.text.strip()}\nYour code should pass these tests:\n\n{shot.tests}\n{instruction}"
        messages.append({"role": "user", "content": text})
        messages.append({"role": "assistant", "content": f"[PYTHON]\n{shot.code}\n[/PYTHON]"})
    text = model.chat_prompt(messages[:-1], prefill="[PYTHON]")
    return Prompt(text, text.rfind(problem.text.strip()))
