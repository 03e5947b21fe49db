"""MultiPL-E: HumanEval's problems in 18 other languages, judged by their tests (Table 3; Cassano et al. 2022)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path

from pydantic import Field, field_validator

from lemur import sandbox
from lemur.benchmark_items.multipl_e import Problem, read
from lemur.core.records import Record
from lemur.evaluation.harness.parameters import ProgramParams
from lemur.evaluation.harness.run import run
from lemur.evaluation.harness.sample import NO_RULE, Generated, Sample, Verdict
from lemur.evaluation.harness.scores import Scores, macro
from lemur.evaluation.judging import languages
from lemur.evaluation.kinds.code_blocks import has_own_block, without_fence
from lemur.evaluation.kinds.programs import Program, ProgramTask, Result, run_unique
from lemur.inference.interface import Model
from lemur.sources.fetched import load
from lemur.sources.reading.rows import readable


class Params(ProgramParams):
    limit: int | None = Field(description="problems per language, a seeded choice; null for all", gt=0)
    languages: tuple[str, ...] = Field(description="languages, by file extension", min_length=1, strict=False)

    @field_validator("languages")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if unknown := sorted(set(names) - set(languages.LANGUAGES)):
            raise ValueError(f"unknown languages {', '.join(unknown)}; allowed are {', '.join(languages.LANGUAGES)}")
        return names


def multipl_e(params: Params, model: Path, benchmark: Path, *, result: Path, samples: Path) -> None:
    """Let `model` complete the chosen problems of the fetched `benchmark`, run the programs, and write the result and
    one sample per completion. A language without its toolchain is `skipped`; without any toolchain, or without a
    sandbox, the whole result is."""
    run(task(params, benchmark), model, result, samples)


def task(params: Params, benchmark: Path) -> "MultiplE":
    source = load(benchmark)
    problems: dict[str, list[Problem]] = {name: [] for name in params.languages}
    for file in source.files:
        if file.meta["language"] in problems:
            problems[file.meta["language"]] += readable(read(file))
    missing = why_missing(params, problems) if sandbox.why_unavailable() is None else {}
    pools = [members for name, members in sorted(problems.items()) if name not in missing]
    return MultiplE(params, pools, source, missing)


def why_missing(params: Params, problems: dict[str, list[Problem]]) -> dict[str, str]:
    """Languages that cannot run here, and why."""
    missing: dict[str, str] = {}
    for name, members in sorted(problems.items()):
        reason = languages.why_missing(name, timeout_s=params.timeout, memory_mb=params.memory) if members else None
        if reason or not members:
            missing[name] = reason or "the source has no problems in this language"
    return missing


@dataclass(frozen=True)
class MultiplE(ProgramTask[Problem]):
    """`pools`: problems by language, without those in `missing`."""

    name = "multipl_e"
    params: Params
    missing: Mapping[str, str]

    def why_skipped(self) -> str | None:
        if self.source.files and self.missing and not any(self.pools):
            return f"no language runs: {self.missing}"
        return super().why_skipped()

    def id(self, item: Problem) -> str:
        return f"{item.language}/{item.name}"

    def key(self, item: Problem) -> str:
        return item.name

    def group(self, item: Problem) -> str:
        return item.language

    def item_fields(self, item: Problem) -> Mapping[str, str]:
        return {"language": item.language}

    def prompt(self, model: Model, item: Problem, shots: int) -> str:
        return prompt(model, item, self.params.in_chat(model))

    def stop(self, item: Problem, in_chat: bool) -> Sequence[str]:
        return item.stop

    def constants(self, items: Sequence[Problem]) -> Sequence[str]:
        """Bodies in the syntax of most languages; the benchmark has no solutions."""
        return ["", "\n}", "\n    return 0\n}", "\n    return 0;\n}", "\n    echo 0\n}"]

    def is_cut_short(self, answer: Generated) -> bool:
        return self.is_cut_in_block(answer)

    def extract(self, sample: Sample[Problem, Generated]) -> Mapping[str, str | None]:
        output, item = sample.answer.output, sample.item
        return {NO_RULE: self.until_stop(extract_body(output, item.prompt), item.stop)}

    def program(self, sample: Sample[Problem, Generated], rule: str) -> str:
        return sample.item.program(sample.extraction[rule] or "")

    def run_all(self, programs: Sequence[Program[Problem]]) -> list[Verdict]:
        verdicts: list[Verdict] = []
        for language, members in groupby(programs, key=lambda program: program.item.language):
            verdicts += run_unique(list(members), partial(self.run_in, language))
        return verdicts

    def run_in(self, language: str, programs: Sequence[str], names: Sequence[str]) -> Sequence[Result]:
        return languages.run(
            language, programs, names=names, timeout_s=self.params.timeout, memory_mb=self.params.memory
        )

    def overall(self, samples: Sequence[Sample[Problem, Generated]], groups: Sequence[Scores]) -> Scores:
        scores: Scores = {}
        for k in self.params.k:
            scores |= macro(f"pass@{k}", NO_RULE, groups)
        return scores

    def results(self, samples: Sequence[Sample[Problem, Generated]]) -> dict[str, Mapping[str, object]]:
        skipped = {f"multipl_e_{language}": {"skipped": reason} for language, reason in self.missing.items()}
        return {**super().results(samples), **skipped}

    def config(self, model: Model, samples: Sequence[Sample[Problem, Generated]]) -> Record:
        """Stop strings by language."""
        stop = {sample.item.language: self.params.stops(sample.item.stop) for sample in samples}
        return {**super().config(model, samples), "stop": stop}

    def facts(self) -> Record:
        names = [pool[0].language for pool in self.pools]
        return {**super().facts(), "toolchains": {name: languages.version(name) for name in names}}


def prompt(model: Model, problem: Problem, in_chat: bool) -> str:
    """The official zero-shot prompt without white space at its ends; in chat as in HumanEval."""
    text = problem.prompt.strip()
    if not in_chat:
        return text
    title = languages.LANGUAGES[problem.language].title
    return model.chat_prompt(
        [{"role": "user", "content": f"Complete the following {title} function.\n\n\n{text}"}],
        prefill=f"Here is the completed function:\n\n\n{text}",
    )


def extract_body(output: str, prompt: str) -> str:
    """The completion, or the content of its first code block after the line that repeats the prompt's last one."""
    code = without_fence(output)
    last = "".join(prompt.strip().rpartition("\n")[2].split())
    lines = code.splitlines(keepends=True)
    if has_own_block(output):
        for index, line in enumerate(lines):
            if "".join(line.split()) == last:
                return "\n" + "".join(lines[index + 1 :])
    return code
