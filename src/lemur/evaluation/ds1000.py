"""DS-1000: data-science code for seven libraries, run in a separate environment (paper, Table 3; Lai et al. 2022)."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lemur import sandbox
from lemur.benchmark_items.ds1000 import Problem, read
from lemur.core import workers
from lemur.core.records import Record
from lemur.evaluation.harness.parameters import ProgramParams
from lemur.evaluation.harness.run import run
from lemur.evaluation.harness.sample import NO_RULE, Generated, Sample
from lemur.evaluation.judging.library_environment import Environment, find_environment
from lemur.evaluation.kinds.code_blocks import has_own_block, without_fence
from lemur.evaluation.kinds.programs import ProgramTask, Result
from lemur.inference.interface import Model
from lemur.sources.fetched import load
from lemur.sources.reading.rows import readable

STOP = ("</code>", "# SOLUTION END", "\nEND SOLUTION")
INSTRUCTION = (
    "Write a short code following the given format and indentation. Place the executable code between <code> and "
    "</code> tags, without any other non-executable things."
)


class Params(ProgramParams):
    pass


def ds1000(params: Params, model: Path, benchmark: Path, requirements: Path, *, result: Path, samples: Path) -> None:
    """Let `model` solve the chosen problems of the fetched `benchmark` and run the programs with the libraries that
    `requirements` locks (`make ds1000`). Without them, or without a sandbox, the result is `skipped`."""
    run(task(params, benchmark, requirements), model, result, samples)


def task(params: Params, benchmark: Path, requirements: Path) -> "Ds1000":
    source = load(benchmark)
    problems = [problem for file in source.files for problem in readable(read(file))]
    return Ds1000(params, [problems], source, requirements, find_environment(requirements))


@dataclass(frozen=True)
class Ds1000(ProgramTask[Problem]):
    """`environment`: where the programs run, or why there is none."""

    name = "ds1000"
    params: Params
    requirements: Path
    environment: Environment | str

    def why_skipped(self) -> str | None:
        if reason := super().why_skipped():
            return reason
        return self.environment if isinstance(self.environment, str) else self.environment.why_broken()

    def id(self, item: Problem) -> str:
        return str(item.number)

    def group(self, item: Problem) -> str:
        return item.library

    def item_fields(self, item: Problem) -> Mapping[str, str]:
        return {"library": item.library}

    def prompt(self, model: Model, item: Problem, shots: int) -> str:
        return prompt(model, item, self.params.in_chat(model))

    def stop(self, item: Problem, in_chat: bool) -> Sequence[str]:
        return STOP

    def reference(self, item: Problem) -> str:
        return f"{item.reference_code}</code>"

    def constants(self, items: Sequence[Problem]) -> Sequence[str]:
        return ["", "result = None", "result = df"]

    def extract(self, sample: Sample[Problem, Generated]) -> Mapping[str, str | None]:
        return {NO_RULE: extract_code(sample.answer.output)}

    def program(self, sample: Sample[Problem, Generated], rule: str) -> str:
        return sample.item.program(sample.extraction[rule] or "")

    def run(self, programs: Sequence[str], names: Sequence[str]) -> Sequence[Result]:
        environment, params = self.environment, self.params
        assert isinstance(environment, Environment)
        return sandbox.judge_all(
            programs,
            lambda program, seconds: environment.run(program, seconds, params.memory),
            names=names,
            timeout_s=params.timeout,
            at_once=workers.count(),
        )

    def data(self) -> Record:
        return {**super().data(), "requirements": hashlib.sha256(self.requirements.read_bytes()).hexdigest()}


def prompt(model: Model, problem: Problem, in_chat: bool) -> str:
    if in_chat:
        return model.chat_prompt(
            [{"role": "user", "content": f"{INSTRUCTION}\n\n{problem.prompt}"}], prefill="<code>\n"
        )
    return problem.prompt


def extract_code(output: str) -> str:
    """The code of an answer, without the tags and fences that models put around it."""
    code = output.split("</code>")[0]
    if has_own_block(code):
        code = without_fence(code)
    return code.replace("```python", "").split("```")[0].replace("<code>", "")
