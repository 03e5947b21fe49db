"""DS-1000: data-science code for seven libraries, in an environment of its own (paper, Table 3; Lai et al. 2022)."""

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lemur import sandbox
from lemur.core import workers
from lemur.core.records import Record, write_jsonl
from lemur.evaluation import harness, programs, reading
from lemur.evaluation.library_environment import Environment, find
from lemur.inference.interface import Model
from lemur.sources.fetched import BadRecord, FetchedFile, load

STOP = ("</code>", "# SOLUTION END", "\nEND SOLUTION")
WISH = (
    "Write a short code following the given format and indentation. Place the executable code between <code> and "
    "</code> tags, without any other non-executable things."
)


class Params(programs.ProgramParams):
    pass


@dataclass(frozen=True)
class Problem:
    number: int
    library: str
    prompt: str
    reference_code: str
    code_context: str

    def program(self, code: str) -> str:
        """The official test program (the simplified release of April 2024)."""
        tests = ["test_execution(code)"]
        if "test_string(" in self.code_context:
            tests.append("test_string(code)")
        return "\n".join([self.code_context, f"code = {code!r}", *tests, ""])


def ds1000(params: Params, model: Path, benchmark: Path, requirements: Path, *, result: Path, samples: Path) -> None:
    """Let `model` solve every chosen problem of the fetched `benchmark` and run the programs with the libraries that
    `requirements` locks (`make ds1000`). Without them, or without a sandbox, the result is `skipped`."""
    source = load(benchmark)
    problems = [problem for file in source.files for problem in harness.readable(read(file))]
    environment = find(requirements)
    reason = None if problems else f"the source {source.name} is left out"
    reason = reason or sandbox.why_unavailable()
    reason = reason or (environment if isinstance(environment, str) else environment.why_broken())
    if reason is not None:
        harness.write_skipped("ds1000", reason, params, result, samples)
        return
    assert isinstance(environment, Environment)
    origin = harness.origin(source) | {"requirements": hashlib.sha256(requirements.read_bytes()).hexdigest()}
    evaluate(
        params, harness.open_model(model, params), environment, problems, origin=origin, result=result, samples=samples
    )


def evaluate(
    params: Params,
    model: Model,
    environment: Environment,
    problems: list[Problem],
    *,
    origin: Record,
    result: Path,
    samples: Path,
) -> None:
    chosen = harness.choose(problems, params.limit, params.seed, lambda problem: str(problem.number))
    in_chat = harness.asks_in_chat(model, params.chat)
    prompts = [prompt(model, problem, in_chat) for problem in chosen]
    answers_by_problem = programs.completions(params, model, prompts, STOP)
    report = harness.Report("ds1000", params, 1, 0, len(problems), len(chosen))
    rows: list[Record] = []
    tests: list[tuple[str, str]] = []
    for problem, text, answers in zip(chosen, prompts, answers_by_problem, strict=True):
        for answer in answers:
            outcome = harness.answered(report, answer)
            report.counts["unanswered"] += not outcome["output"].strip()
            said = extracted(outcome["output"])
            head = {"id": str(problem.number), "library": problem.library, "prompt": text}
            rows.append({**head, **outcome, "extraction": said})
            tests.append((head["id"], problem.program(said)))
    by_library: defaultdict[str, list[Record]] = defaultdict(list)
    for row, verdict in zip(rows, judged(environment, tests, params), strict=True):
        row["verdict"] = {"status": verdict.status, "detail": verdict.detail}
        row["correct"] = {"none": verdict.status == "passed"}
        report.counts["timed_out"] += verdict.status == "timed_out"
        by_library[row["library"]].append(row)
    for library, found in sorted(by_library.items()):
        report.subtasks.append(f"ds1000_{library}")
        report.results[f"ds1000_{library}"] = programs.scores(found, ("none",), params.k)
    report.results["ds1000"] = programs.scores(rows, ("none",), params.k)
    report.higher_is_better = {f"pass@{k}": True for k in params.k}
    report.config = {"data": origin, "chat": "chat" if in_chat else "completion", "stop": params.stops(STOP)}
    report.facts = {"sandbox": sandbox.layers().record()}
    write_jsonl(samples, rows)
    report.write(result, model)


def prompt(model: Model, problem: Problem, in_chat: bool) -> str:
    if in_chat:
        return model.chat_prompt([{"role": "user", "content": f"{WISH}\n\n{problem.prompt}"}], prefill="<code>\n")
    return problem.prompt


def extracted(output: str) -> str:
    """The code of an answer, without the tags and fences that models put around it."""
    code = output.split("</code>")[0].replace("```python", "").split("```")[0]
    return code.replace("<code>", "")


def judged(environment: Environment, tests: Sequence[tuple[str, str]], params: Params) -> list[sandbox.Result]:
    """Verdicts in the order of `tests`, which are (name, program)s; equal programs are run once."""
    names = programs.named(tests)
    results = sandbox.judge_all(
        list(names),
        lambda program, seconds: environment.run(program, seconds, params.memory),
        names=list(names.values()),
        timeout_s=params.timeout,
        at_once=workers.count(),
    )
    verdicts = dict(zip(names, results, strict=True))
    return [verdicts[program] for _, program in tests]


def read(file: FetchedFile) -> Iterator[Problem | BadRecord]:
    """Records {prompt, reference_code, code_context, metadata: {problem_id, library}}."""
    return reading.items(file, _problem)


def _problem(where: str, record: Record) -> Problem:
    text, code, context = reading.texts(record, "prompt", "reference_code", "code_context")
    meta = record["metadata"]
    return Problem(int(meta["problem_id"]), str(meta["library"]), text, code, context)
