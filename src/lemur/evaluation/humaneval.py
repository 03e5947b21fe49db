"""HumanEval: complete a Python function; its tests decide, in the sandbox (paper, Table 3; Chen et al. 2021)."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import Field

from lemur import sandbox
from lemur.core.records import Record, write_jsonl
from lemur.evaluation import harness, programs, reading
from lemur.inference.interface import Model
from lemur.sources.fetched import BadRecord, FetchedFile, load

STOP = ("\nclass", "\ndef", "\n#", "\nif", "\nprint")
EXTRACTIONS = ("paper", "strict")


class Params(programs.ProgramParams):
    strip_prompt: bool = Field(
        description="whether the model writes the newline after the prompt itself: tokenizers that keep a newline with "
        "the indentation after it (GPT-2's kind) never saw one end a text; Llama's is indifferent"
    )


@dataclass(frozen=True)
class Problem:
    task_id: str
    prompt: str
    entry_point: str
    test: str
    canonical_solution: str

    def program(self, completion: str) -> str:
        return f"{self.prompt}{completion}\n{self.test}\ncheck({self.entry_point})"


def humaneval(params: Params, model: Path, benchmark: Path, *, result: Path, samples: Path) -> None:
    """Let `model` complete every chosen problem of the fetched `benchmark`, run the programs, and write the result and
    one sample a completion. Without a sandbox nothing is run and the result is `skipped`."""
    source = load(benchmark)
    problems = [problem for file in source.files for problem in harness.readable(read(file))]
    reason = None if problems else f"the source {source.name} is left out"
    if (reason := reason or sandbox.why_unavailable()) is not None:
        harness.write_skipped("humaneval", reason, params, result, samples)
        return
    origin = harness.origin(source)
    if params.strip_prompt:
        problems = [replace(problem, prompt=problem.prompt.rstrip()) for problem in problems]
    evaluate(params, harness.open_model(model, params), problems, origin=origin, result=result, samples=samples)


def evaluate(
    params: Params, model: Model, problems: list[Problem], *, origin: Record, result: Path, samples: Path
) -> None:
    chosen = harness.choose(problems, params.limit, params.seed, lambda problem: problem.task_id)
    in_chat = harness.asks_in_chat(model, params.chat)
    prompts = [prompt(model, problem, in_chat) for problem in chosen]
    answers_by_problem = programs.completions(params, model, prompts, STOP)
    report = harness.Report("humaneval", params, 1, 0, len(problems), len(chosen))
    rows: list[Record] = []
    for problem, text, answers in zip(chosen, prompts, answers_by_problem, strict=True):
        for answer in answers:
            outcome = harness.answered(report, answer)
            output = outcome["output"]
            report.counts["unanswered"] += not output.strip()
            said = {"paper": until_last_return(output), "strict": programs.without_fence(output)}
            rows.append({"id": problem.task_id, "prompt": text, **outcome, "extraction": said})
    by_id = {problem.task_id: problem for problem in chosen}
    verdicts = programs.verdicts(
        [
            (f"{row['id']} {name}", by_id[row["id"]].program(row["extraction"][name]))
            for row in rows
            for name in EXTRACTIONS
        ],
        params,
    )
    for row in rows:
        found = {name: verdicts[by_id[row["id"]].program(row["extraction"][name])] for name in EXTRACTIONS}
        row["verdict"] = {name: {"status": one.status, "detail": one.detail} for name, one in found.items()}
        row["correct"] = {name: one.status == "passed" for name, one in found.items()}
        report.counts["timed_out"] += found["strict"].status == "timed_out"
    report.results["humaneval"] = programs.scores(rows, EXTRACTIONS, params.k)
    report.higher_is_better = {f"pass@{k}": True for k in params.k}
    report.config = {"data": origin, "chat": "chat" if in_chat else "completion", "stop": params.stops(STOP)}
    report.facts = {"sandbox": sandbox.layers().record()}
    write_jsonl(samples, rows)
    report.write(result, model)


def prompt(model: Model, problem: Problem, in_chat: bool) -> str:
    if in_chat:
        asked = f"Complete the following python function.\n\n\n{problem.prompt}"
        return model.chat_prompt(
            [{"role": "user", "content": asked}], prefill=f"Here is the completed function:\n\n\n{problem.prompt}"
        )
    return problem.prompt


def until_last_return(completion: str) -> str:
    """The paper's cut: up to the last line that starts with `return`, so nothing is left of a function without one
    (known fault; it also breaks a return that goes on over several lines)."""
    lines = completion.split("\n")
    last = max((index for index, line in enumerate(lines) if line.strip().startswith("return")), default=-1)
    return "\n".join(lines[: last + 1])


def read(file: FetchedFile) -> Iterator[Problem | BadRecord]:
    """Records {task_id, prompt, entry_point, test, canonical_solution}."""
    return reading.items(file, lambda where, record: Problem(*reading.texts(record, *Problem.__dataclass_fields__)))
