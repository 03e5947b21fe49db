"""Benchmarks with programs as answers: several completions, verdicts from the sandbox, pass@k."""

from abc import abstractmethod
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Generic, Protocol

from lemur import sandbox
from lemur.core.records import Record
from lemur.evaluation.harness.parameters import ProgramParams
from lemur.evaluation.harness.sample import NO_RULE, Generated, Item, Sample, Verdict
from lemur.evaluation.harness.scores import Scores, pass_at_k, scored
from lemur.evaluation.kinds.code_blocks import in_open_block, without_fence
from lemur.evaluation.kinds.generated import GeneratedTask


class Result(Protocol):
    """The outcome of running a program."""

    @property
    def status(self) -> str: ...

    @property
    def detail(self) -> str: ...


Run = Callable[[Sequence[str], Sequence[str]], Sequence[Result]]
"""Takes programs and their names for messages, returns results in the same order."""


@dataclass(frozen=True)
class Program(Generic[Item]):
    item: Item
    name: str
    text: str


@dataclass(frozen=True)
class ProgramTask(GeneratedTask[Item]):
    rules: ClassVar[tuple[str, ...]] = (NO_RULE,)
    params: ProgramParams

    @abstractmethod
    def program(self, sample: Sample[Item, Generated], rule: str) -> str:
        """The program that judges the answer by `rule`."""

    def why_skipped(self) -> str | None:
        return super().why_skipped() or sandbox.why_unavailable()

    def draws(self) -> list[tuple[float, int]]:
        return [(self.params.temperature, self.params.seed + number) for number in range(self.params.samples)]

    def code(self, sample: Sample[Item, Generated]) -> str:
        """The answer's code, without Markdown fences and prose."""
        return without_fence(sample.answer.output)

    def is_cut_in_block(self, answer: Generated) -> bool:
        """Whether a stop string of the benchmark, such as "\\ndef", ended a code block that repeats the function."""
        return self.params.stop is None and answer.finish == "stop" and in_open_block(answer.output)

    def run(self, programs: Sequence[str], names: Sequence[str]) -> Sequence[Result]:
        return sandbox.run_python_programs(
            programs, names=names, timeout_s=self.params.timeout, memory_mb=self.params.memory
        )

    def run_all(self, programs: Sequence[Program[Item]]) -> list[Verdict]:
        """Verdicts in the order of `programs`."""
        return run_unique(programs, self.run)

    def judge(self, samples: Sequence[Sample[Item, Generated]]) -> list[Sample[Item, Generated]]:
        programs = [
            Program(
                sample.item, f"{self.id(sample.item)} {rule}".removesuffix(f" {NO_RULE}"), self.program(sample, rule)
            )
            for sample in samples
            for rule in self.rules
        ]
        verdicts = iter(self.run_all(programs))
        judged = []
        for sample in samples:
            by_rule = {rule: next(verdicts) for rule in self.rules}
            passed = {rule: verdict.status == "passed" for rule, verdict in by_rule.items()}
            judged.append(replace(sample, verdict=by_rule, correct={"pass": passed}))
        return judged

    def scores(self, samples: Sequence[Sample[Item, Generated]]) -> Scores:
        """Mean pass@k over problems."""
        scores: Scores = {}
        for rule in self.rules:
            by_problem: dict[str, list[bool]] = {}
            for sample in samples:
                by_problem.setdefault(self.id(sample.item), []).append(bool(sample.correct["pass"][rule]))
            for k in self.params.k:
                values = [pass_at_k(len(passed), sum(passed), k) for passed in by_problem.values()]
                scores |= scored(f"pass@{k}", rule, values)
        return scores

    def counts(self, samples: Sequence[Sample[Item, Generated]]) -> Counter[str]:
        counts = super().counts(samples)
        counts["timed_out"] = sum(sample.verdict[self.rules[-1]].status == "timed_out" for sample in samples)
        return counts

    def facts(self) -> Record:
        return {"sandbox": sandbox.layers().record()}


def run_unique(programs: Sequence[Program[Item]], run: Run) -> list[Verdict]:
    """Verdicts in the order of `programs`; equal programs run once, under the name of the first."""
    names: dict[str, str] = {}
    for program in programs:
        names.setdefault(program.text, program.name)
    results = dict(zip(names, run(list(names), list(names.values())), strict=True))
    return [Verdict(results[program.text].status, results[program.text].detail) for program in programs]
