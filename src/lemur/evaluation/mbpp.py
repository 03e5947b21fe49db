"""MBPP: a Python program for a sentence and three tests, which decide in the sandbox (Table 3; Austin et al. 2021)."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from lemur import sandbox
from lemur.core.records import Record, write_jsonl
from lemur.evaluation import harness, programs, reading
from lemur.inference.interface import Model, Prompt
from lemur.sources.fetched import BadRecord, FetchedFile, load

STOP = ("\nassert", "\nprint")
EXAMPLES = (2, 3, 4)
"""task_id of the examples; the authors keep 1 to 10 for prompts."""
TEST = range(11, 511)
RULES = ("paper", "strict")


class Params(programs.ProgramParams):
    shots: int = Field(description="solved problems before each one", ge=0, le=len(EXAMPLES))


@dataclass(frozen=True)
class Problem:
    task_id: int
    text: str
    code: str
    test_setup_code: str
    test_list: tuple[str, ...]

    @property
    def tests(self) -> str:
        return "\n".join(self.test_list)

    def program(self, answer: str, rule: str) -> str:
        """The paper's script leaves the set-up code out, which two problems need."""
        setup = [self.test_setup_code] if rule == "strict" and self.test_setup_code else []
        return "\n".join([answer, *setup, self.tests])


def mbpp(params: Params, model: Path, benchmark: Path, *, result: Path, samples: Path) -> None:
    """Let `model` solve every chosen problem of the fetched `benchmark`, run the programs, and write the result and one
    sample a completion. Without a sandbox nothing is run and the result is `skipped`."""
    source = load(benchmark)
    problems = [problem for file in source.files for problem in harness.readable(read(file))]
    reason = None if problems else f"the source {source.name} is left out"
    if (reason := reason or sandbox.why_unavailable()) is not None:
        harness.write_skipped("mbpp", reason, params, result, samples)
        return
    origin = harness.origin(source)
    evaluate(params, harness.open_model(model, params), problems, origin=origin, result=result, samples=samples)


def evaluate(
    params: Params, model: Model, problems: list[Problem], *, origin: Record, result: Path, samples: Path
) -> None:
    by_id = {problem.task_id: problem for problem in problems}
    if missing := [number for number in EXAMPLES if number not in by_id]:
        raise ValueError(f"mbpp: the source has no problem {missing}; the examples are {EXAMPLES}")
    shots = [by_id[number] for number in EXAMPLES]
    test = [problem for problem in problems if problem.task_id in TEST]
    chosen = harness.choose(test, params.limit, params.seed, lambda problem: str(problem.task_id))
    in_chat = harness.asks_in_chat(model, params.chat)
    room = model.context_length - params.max_new_tokens

    def fitted(problem: Problem) -> tuple[Prompt, int]:
        return harness.fit_shots(lambda k: prompt(model, shots[:k], problem, in_chat), params.shots, model, room)

    prompts = [fitted(problem) for problem in chosen]
    end = "\n[/PYTHON]" if in_chat else "\n[DONE]"
    stop = [end, *STOP]  # the script cuts at `end` afterwards, which comes to the same
    answers_by_problem = programs.completions(params, model, [text for text, _ in prompts], stop)
    report = harness.Report("mbpp", params, 1, params.shots, len(test), len(chosen))
    rows: list[Record] = []
    for problem, (text, count), answers in zip(chosen, prompts, answers_by_problem, strict=True):
        report.counts["fewer_shots"] += count < params.shots
        for answer in answers:
            outcome = harness.answered(report, answer)
            code = outcome["output"].strip()
            report.counts["unanswered"] += not code
            rows.append({"id": str(problem.task_id), "prompt": text, "shots": count, **outcome, "extraction": code})
    verdicts = programs.verdicts(
        [
            (f"{row['id']} {rule}", by_id[int(row["id"])].program(row["extraction"], rule))
            for row in rows
            for rule in RULES
        ],
        params,
    )
    for row in rows:
        problem = by_id[int(row["id"])]
        found = {rule: verdicts[problem.program(row["extraction"], rule)] for rule in RULES}
        row["verdict"] = {rule: {"status": one.status, "detail": one.detail} for rule, one in found.items()}
        row["correct"] = {rule: one.status == "passed" for rule, one in found.items()}
        report.counts["timed_out"] += found["strict"].status == "timed_out"
    report.results["mbpp"] = programs.scores(rows, RULES, params.k)
    report.higher_is_better = {f"pass@{k}": True for k in params.k}
    report.config = {"data": origin, "chat": "chat" if in_chat else "completion", "stop": params.stops(stop)}
    report.facts = {"sandbox": sandbox.layers().record()}
    write_jsonl(samples, rows)
    report.write(result, model)


def prompt(model: Model, shots: list[Problem], problem: Problem, in_chat: bool) -> Prompt:
    """The paper's prompts; in chat in the model's template (the script has no `<|im_end|>` after its examples)."""
    task = "You are an expert Python programmer, and here is your task: "
    if not in_chat:

        def asked(one: Problem) -> str:
            return f"{task}{one.text.strip()} Your code should pass these tests:\n\n{one.tests}\n[BEGIN]"

        before = "".join(f"{asked(shot)}\n{shot.code}\n[DONE]\n" for shot in shots)
        return Prompt(before + asked(problem), len(before))
    messages = []
    for one in [*shots, problem]:
        wish = "Your code should start with a [PYTHON] tag and end with a [/PYTHON] tag."
        text = f"{task}{one.text.strip()}\nYour code should pass these tests:\n\n{one.tests}\n{wish}"
        messages.append({"role": "user", "content": text})
        messages.append({"role": "assistant", "content": f"[PYTHON]\n{one.code}\n[/PYTHON]"})
    text = model.chat_prompt(messages[:-1], prefill="[PYTHON]")
    return Prompt(text, text.rfind(problem.text.strip()))


def read(file: FetchedFile) -> Iterator[Problem | BadRecord]:
    """Records {task_id, text, code, test_setup_code, test_list}."""
    return reading.items(file, _problem)


def _problem(where: str, record: Record) -> Problem:
    text, code, setup = reading.texts(record, "text", "code", "test_setup_code")
    tests = tuple(record["test_list"])
    if not tests or not all(isinstance(test, str) for test in tests):
        raise TypeError(f"test_list is {record['test_list']!r:.50}; strings are allowed, one or more")
    return Problem(int(record["task_id"]), text, code, setup, tests)
