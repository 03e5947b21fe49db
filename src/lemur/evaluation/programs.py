"""What the benchmarks share whose answers are programs: samples, verdicts from the sandbox, pass@k."""

import re
from collections.abc import Iterable, Sequence
from typing import Self

from pydantic import Field, model_validator

from lemur import sandbox
from lemur.core.records import Record
from lemur.evaluation import harness
from lemur.evaluation.pass_at_k import pass_at_k
from lemur.inference.interface import Generation, Model


class ProgramParams(harness.GenerateParams):
    """Parameters of every benchmark whose answers are run."""

    samples: int = Field(description="completions of each problem", gt=0)
    k: tuple[int, ...] = Field(description="which pass@k to report; none above `samples`", min_length=1, strict=False)
    temperature: float = Field(description="of sampling; 0 is greedy, which allows one sample", ge=0)
    timeout: int = Field(
        description="processor seconds of a program's first run; the second, alone, gets five times these", gt=0
    )
    memory: int = Field(description="MiB that a program may use", gt=0)

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if max(self.k) > self.samples or min(self.k) < 1:
            raise ValueError(f"k is {self.k} and samples {self.samples}; each k from 1 to samples is allowed")
        if self.samples > 1 and self.temperature == 0:
            raise ValueError(f"{self.samples} greedy samples are all the same; take one, or a temperature above 0")
        return self


def completions(
    params: ProgramParams, model: Model, prompts: Sequence[str], stop: Sequence[str]
) -> list[list[Generation | None]]:
    """For each prompt its `params.samples` completions; `None` where the prompt leaves no room."""
    rounds = [
        harness.generate_fitting(
            model,
            prompts,
            max_new_tokens=params.max_new_tokens,
            stop=params.stops(stop),
            temperature=params.temperature,
            seed=params.seed + number,
        )
        for number in range(params.samples)
    ]
    return [list(answers) for answers in zip(*rounds, strict=True)]


def without_fence(completion: str) -> str:
    """The completion up to the end of a Markdown code block, which chat models put after their code."""
    return re.split(r"^```", completion, maxsplit=1, flags=re.MULTILINE)[0]


def named(programs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The name of each program, of (name, program)s; equal programs, to be run once, have the first one's."""
    names: dict[str, str] = {}
    for name, program in programs:
        names.setdefault(program, name)
    return names


def verdicts(programs: Iterable[tuple[str, str]], params: ProgramParams) -> dict[str, sandbox.Result]:
    """The sandbox's verdict on each Python program of (name, program)s."""
    names = named(programs)
    judged = sandbox.run_python_programs(
        list(names), names=list(names.values()), timeout_s=params.timeout, memory_mb=params.memory
    )
    return dict(zip(names, judged, strict=True))


def scores(rows: Sequence[Record], rules: Sequence[str], ks: Sequence[int]) -> Record:
    """pass@k over problems, for each rule of samples with `id` and `correct` {rule: passed}."""
    results: Record = {}
    for rule in rules:
        by_problem: dict[str, list[bool]] = {}
        for row in rows:
            by_problem.setdefault(row["id"], []).append(row["correct"][rule])
        for k in ks:
            values = [pass_at_k(len(passed), sum(passed), k) for passed in by_problem.values()]
            results |= harness.scored(f"pass@{k}", rule, values)
    return results
