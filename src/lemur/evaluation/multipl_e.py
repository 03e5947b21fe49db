"""MultiPL-E: HumanEval's problems in 18 other languages, judged by their tests (Table 3; Cassano et al. 2022)."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field, field_validator

from lemur import sandbox
from lemur.core.records import Record, write_jsonl
from lemur.evaluation import harness, languages, programs, reading
from lemur.inference.interface import Model
from lemur.sources.fetched import BadRecord, FetchedFile, load


class Params(programs.ProgramParams):
    limit: int | None = Field(description="problems of each language, a seeded choice; null for all of them", gt=0)
    languages: tuple[str, ...] = Field(description="languages asked, by file ending", min_length=1, strict=False)

    @field_validator("languages")
    @classmethod
    def _known(cls, found: tuple[str, ...]) -> tuple[str, ...]:
        if unknown := sorted(set(found) - set(languages.LANGUAGES)):
            raise ValueError(f"{', '.join(unknown)}: allowed are {', '.join(languages.LANGUAGES)}")
        return found


@dataclass(frozen=True)
class Problem:
    name: str
    language: str
    prompt: str
    tests: str
    stop: tuple[str, ...]

    def program(self, completion: str) -> str:
        return f"{self.prompt}{completion}\n{self.tests}"


def multipl_e(params: Params, model: Path, benchmark: Path, *, result: Path, samples: Path) -> None:
    """Let `model` complete every chosen problem of the fetched `benchmark`, run the programs, and write the result and
    one sample a completion. A language whose toolchain is not there is `skipped`; without any, or without a sandbox,
    the whole result is."""
    source = load(benchmark)
    problems: dict[str, list[Problem]] = {name: [] for name in params.languages}
    for file in source.files:
        if file.meta["language"] in problems:
            problems[file.meta["language"]] += harness.readable(read(file))
    if (reason := sandbox.why_unavailable()) is None:
        missing = why_missing(params, problems)
        if len(missing) == len(problems):
            reason = f"the source {source.name} is left out" if not source.files else f"no language runs: {missing}"
    if reason is not None:
        harness.write_skipped("multipl_e", reason, params, result, samples)
        return
    origin = harness.origin(source)
    evaluate(
        params, harness.open_model(model, params), problems, missing, origin=origin, result=result, samples=samples
    )


def why_missing(params: Params, problems: dict[str, list[Problem]]) -> dict[str, str]:
    """Languages that cannot be asked here, and why."""
    missing: dict[str, str] = {}
    for name, found in sorted(problems.items()):
        reason = languages.why_missing(name, timeout_s=params.timeout, memory_mb=params.memory) if found else None
        if reason or not found:
            missing[name] = reason or "the source has no problems in this language"
    return missing


def evaluate(
    params: Params,
    model: Model,
    problems: dict[str, list[Problem]],
    missing: dict[str, str],
    *,
    origin: Record,
    result: Path,
    samples: Path,
) -> None:
    """`problems` by language; those in `missing` are not asked."""
    in_chat = harness.asks_in_chat(model, params.chat)
    asked = {name: found for name, found in sorted(problems.items()) if name not in missing}
    report = harness.Report("multipl_e", params, 1, 0, sum(map(len, asked.values())), 0)
    rows: list[Record] = []
    for language, found in asked.items():
        chosen = harness.choose(found, params.limit, params.seed, lambda problem: problem.name)
        report.effective += len(chosen)
        rows_here = _ask(params, model, report, language, chosen, in_chat)
        report.results[f"multipl_e_{language}"] = programs.scores(rows_here, ("none",), params.k)
        rows += rows_here
    means = [report.results[f"multipl_e_{language}"] for language in asked]
    for k in params.k:
        report.results.setdefault("multipl_e", {}).update(harness.macro(f"pass@{k}", "none", means))
    for language, reason in missing.items():
        report.results[f"multipl_e_{language}"] = {"skipped": reason}
    report.subtasks = [f"multipl_e_{language}" for language in problems]
    report.higher_is_better = {f"pass@{k}": True for k in params.k}
    stop = {name: params.stops(found[0].stop) for name, found in asked.items()}
    report.config = {"data": origin, "chat": "chat" if in_chat else "completion", "stop": stop}
    report.facts = {
        "sandbox": sandbox.layers().record(),
        "toolchains": {name: languages.version(name) for name in asked},
    }
    write_jsonl(samples, rows)
    report.write(result, model)


def _ask(
    params: Params, model: Model, report: harness.Report, language: str, chosen: list[Problem], in_chat: bool
) -> list[Record]:
    """The samples of one language, whose problems share their stop strings."""
    prompts = [prompt(model, problem, in_chat) for problem in chosen]
    (stop,) = {problem.stop for problem in chosen}
    rows: list[Record] = []
    for problem, text, answers in zip(chosen, prompts, programs.completions(params, model, prompts, stop), strict=True):
        for answer in answers:
            outcome = harness.answered(report, answer)
            report.counts["unanswered"] += not outcome["output"].strip()
            said = programs.without_fence(outcome["output"])
            head = {"id": f"{language}/{problem.name}", "language": language, "prompt": text}
            rows.append({**head, **outcome, "extraction": said, "program": problem.program(said)})
    names = programs.named((row["id"], row["program"]) for row in rows)
    judged = languages.run(
        language, list(names), names=list(names.values()), timeout_s=params.timeout, memory_mb=params.memory
    )
    verdicts = dict(zip(names, judged, strict=True))
    for row in rows:
        verdict = verdicts[row.pop("program")]
        report.counts["timed_out"] += verdict.status == "timed_out"
        row["verdict"] = {"status": verdict.status, "detail": verdict.detail}
        row["correct"] = {"none": verdict.status == "passed"}
    return rows


def prompt(model: Model, problem: Problem, in_chat: bool) -> str:
    """The official zero-shot prompt, without white space at its ends; in chat as in HumanEval."""
    text = problem.prompt.strip()
    if not in_chat:
        return text
    title = languages.LANGUAGES[problem.language].title
    return model.chat_prompt(
        [{"role": "user", "content": f"Complete the following {title} function.\n\n\n{text}"}],
        prefill=f"Here is the completed function:\n\n\n{text}",
    )


def read(file: FetchedFile) -> Iterator[Problem | BadRecord]:
    """Records {name, prompt, tests, stop_tokens}; the language stands in the file's meta."""

    def problem(where: str, record: Record) -> Problem:
        name, start, tests = reading.texts(record, "name", "prompt", "tests")
        stop = tuple(record["stop_tokens"])
        if not all(isinstance(text, str) for text in stop):
            raise TypeError(f"stop_tokens is {record['stop_tokens']!r:.50}; strings are allowed")
        return Problem(name, file.meta["language"], start, tests, stop)

    return reading.items(file, problem)
