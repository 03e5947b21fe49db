"""GSM8K: school arithmetic in words, answered with a chain of thought after eight examples (paper, Table 3)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path

from pydantic import Field

from lemur.core.records import Record, write_jsonl
from lemur.evaluation import harness, reading
from lemur.evaluation.exact_match import plain
from lemur.inference.interface import Model, Prompt
from lemur.sources.fetched import BadRecord, Fetched, FetchedFile, load


class Params(harness.GenerateParams):
    shots: int = Field(description="worked examples before each question", ge=0)


@dataclass(frozen=True)
class Problem:
    where: str
    question: str
    solution: str
    """Worked steps, without the final answer."""
    answer: str
    """The final number, without thousands commas."""

    def shot(self) -> str:
        return f"Question: {self.question}\nAnswer: {self.solution} So the answer is {self.answer}.\n\n"


def gsm8k(params: Params, model: Path, benchmark: Path, *, result: Path, samples: Path) -> None:
    """Ask `model` every chosen problem of the fetched `benchmark`; write the result and one sample a problem."""
    source = load(benchmark)
    problems = [problem for file in split(source, "test") for problem in harness.readable(read(file))]
    if not problems:
        harness.write_skipped("gsm8k", f"the source {source.name} is left out", params, result, samples)
        return
    origin = harness.origin(source)
    evaluate(
        params,
        harness.open_model(model, params),
        examples(source),
        problems,
        origin=origin,
        result=result,
        samples=samples,
    )


def split(source: Fetched, name: str) -> list[FetchedFile]:
    return [file for file in source.files if file.meta["split"] == name]


def examples(source: Fetched) -> list[Problem]:
    """The eight examples of Wei et al. (2022, Table 20) where the source has them, else its train problems."""
    for file in split(source, "test"):
        if (path := file.companion("fewshot")) is not None:
            return read_fewshot(path)
    return [problem for file in split(source, "train") for problem in harness.readable(read(file))]


def evaluate(
    params: Params,
    model: Model,
    shots: list[Problem],
    problems: list[Problem],
    *,
    origin: Record,
    result: Path,
    samples: Path,
) -> None:
    if len(shots) < params.shots:
        raise ValueError(
            f"gsm8k.shots is {params.shots} and the source has {len(shots)} examples; at most these are allowed"
        )
    chosen = harness.choose(problems, params.limit, params.seed, lambda problem: problem.where)
    in_chat = harness.asks_in_chat(model, params.chat)
    room = model.context_length - params.max_new_tokens

    def fitted(problem: Problem) -> tuple[Prompt, int]:
        return harness.fit_shots(lambda k: prompt(model, shots[:k], problem, in_chat), params.shots, model, room)

    prompts = [fitted(problem) for problem in chosen]
    # A chat model ends its turn itself; a plain one goes on with a next question, so its answer is the first line.
    stop = params.stops([] if in_chat else ["\n"])
    answers = harness.generate_fitting(
        model, [text for text, _ in prompts], max_new_tokens=params.max_new_tokens, stop=stop, seed=params.seed
    )
    report = harness.Report("gsm8k", params, 1, params.shots, len(problems), len(chosen))
    rows: list[Record] = []
    for problem, (text, count), answer in zip(chosen, prompts, answers, strict=True):
        outcome = harness.answered(report, answer)
        output = outcome["output"]
        said = {"paper": last_number(output), "strict": stated_number(output)}
        report.counts["unanswered"] += said["strict"] is None
        report.counts["fewer_shots"] += count < params.shots
        rows.append(
            {
                "id": problem.where,
                "prompt": text,
                "shots": count,
                **outcome,
                "extraction": said,
                "target": problem.answer,
                "correct": {
                    "paper": answer is not None and plain(said["paper"] or "") == plain(problem.answer),
                    "strict": same_number(said["strict"], problem.answer),
                },
            }
        )
    report.results["gsm8k"] = {
        key: value
        for name in ("paper", "strict")
        for key, value in harness.scored("exact_match", name, [float(row["correct"][name]) for row in rows]).items()
    }
    report.higher_is_better = {"exact_match": True}
    report.config = {"data": origin, "chat": "chat" if in_chat else "completion", "stop": stop}
    write_jsonl(samples, rows)
    report.write(result, model)


def prompt(model: Model, shots: list[Problem], problem: Problem, in_chat: bool) -> Prompt:
    text = (
        "Answer the following questions.\n\n" + "".join(shot.shot() for shot in shots) + f"Question: {problem.question}"
    )
    asked = [{"role": "user", "content": text}]
    text = model.chat_prompt(asked, prefill="Answer:") if in_chat else f"{text}\nAnswer:"
    return Prompt(text, text.rfind(problem.question))


def without_commas(text: str) -> str:
    return re.sub(r"(\d),(?=\d)", r"\1", text)


def last_number(output: str) -> str:
    """The paper's rule: the last number, else the whole output. An integer loses its sign (known fault)."""
    text = without_commas(output)
    numbers: list[str] = re.findall(r"[-+]?\d*\.\d+|\d+", text)
    return numbers[-1] if numbers else text


def stated_number(output: str) -> str | None:
    """Strict rule: the number after the first "answer is" or "####", with its sign; `None` if none is stated."""
    found = re.search(r"(?:answer is|####)[\s:$€£*]*(-?)\s?[$€£]?(\d[\d,]*(?:\.\d+)?|\.\d+)", output)
    return None if found is None else found[1] + found[2].replace(",", "")


def same_number(said: str | None, target: str) -> bool:
    try:
        return said is not None and Decimal(said) == Decimal(target)
    except InvalidOperation:
        return said == target


def read(file: FetchedFile) -> Iterator[Problem | BadRecord]:
    """Records {question, answer}; the answer's last line is `#### N`, and `<<...>>` marks calculator steps."""
    return reading.items(file, _problem)


def _problem(where: str, record: Record) -> Problem | BadRecord:
    question, answer = reading.texts(record, "question", "answer")
    steps, marker, target = answer.rpartition("####")
    if not marker:
        return BadRecord(where, "missing_field", "the answer has no line '#### N'")
    solution = " ".join(re.sub(r"<<.*?>>", "", steps).split())
    return Problem(where, question, solution, without_commas(target.strip()))


def read_fewshot(path: Path) -> list[Problem]:
    """Examples of lm-evaluation-harness's gsm8k-cot.yaml; each target ends "The answer is N."."""
    from ruamel.yaml import YAML

    problems = []
    for index, sample in enumerate(YAML(typ="safe").load(path)["fewshot_config"]["samples"]):
        steps, marker, target = sample["target"].rpartition("The answer is ")
        if not marker:
            raise ValueError(f"{path}: sample {index}: the target does not end 'The answer is N.'")
        problems.append(
            Problem(f"{path.name}:{index}", sample["question"], steps.strip(), target.strip().removesuffix("."))
        )
    return problems
