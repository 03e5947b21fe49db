"""MMLU: four-way questions from 57 subjects, answered by the likeliest letter (Table 3; Hendrycks et al. 2021)."""

import csv
import io
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from lemur.core.records import Record, write_jsonl
from lemur.evaluation import harness
from lemur.inference.interface import Model, Prompt
from lemur.sources.fetched import BadRecord, Fetched, FetchedFile, load

LETTERS = "ABCD"
SHORTEST_SCORE = " A"


class Params(harness.AskParams):
    shots: int = Field(description="examples from the subject's dev split before each question", ge=0)
    limit: int | None = Field(description="questions of each subject, a seeded choice; null for all of them", gt=0)


@dataclass(frozen=True)
class Question:
    subject: str
    where: str
    question: str
    choices: tuple[str, str, str, str]
    answer: str

    def text(self) -> str:
        options = "".join(f"\n{letter}. {choice}" for letter, choice in zip(LETTERS, self.choices, strict=True))
        return f"{self.question}{options}\nAnswer:"


def mmlu(params: Params, model: Path, benchmark: Path, *, result: Path, samples: Path) -> None:
    """Ask `model` every chosen question of the fetched `benchmark`; write the result and one sample a question."""
    source = load(benchmark)
    if not source.files:
        harness.write_skipped("mmlu", f"the source {source.name} is left out", params, result, samples)
        return
    splits = by_subject(source)
    evaluate(
        params,
        harness.open_model(model, params),
        splits["dev"],
        splits["test"],
        origin=harness.origin(source),
        result=result,
        samples=samples,
    )


def evaluate(
    params: Params,
    model: Model,
    dev: dict[str, list[Question]],
    test: dict[str, list[Question]],
    *,
    origin: Record,
    result: Path,
    samples: Path,
) -> None:
    """`dev` and `test`: questions by subject."""
    chosen = choose(test, params.limit, params.seed)
    in_chat = harness.asks_in_chat(model, params.chat)
    room = model.context_length - model.count_tokens(SHORTEST_SCORE)

    def fitted(question: Question) -> tuple[Prompt, int]:
        shots = dev[question.subject][: params.shots]
        return harness.fit_shots(lambda k: prompt(model, shots[:k], question, in_chat), len(shots), model, room)

    prompts = [fitted(question) for question in chosen]
    scores = model.loglikelihood([(text, f" {letter}") for text, _ in prompts for letter in LETTERS])
    rows: list[Record] = []
    correct: dict[str, list[float]] = defaultdict(list)
    report = harness.Report("mmlu", params, 1, params.shots, sum(map(len, test.values())), len(chosen))
    for index, (question, (text, shots)) in enumerate(zip(chosen, prompts, strict=True)):
        logprobs = {f" {letter}": scores[4 * index + place].logprob for place, letter in enumerate(LETTERS)}
        said = max(logprobs, key=lambda letter: logprobs[letter]).strip()  # the first of equals, as argmax
        report.counts["fewer_shots"] += shots < params.shots
        report.counts["prompt_cut"] += model.count_tokens(text) > room
        correct[question.subject].append(float(said == question.answer))
        rows.append(
            {
                "id": question.where,
                "subject": question.subject,
                "prompt": text,
                "shots": shots,
                "logprobs": logprobs,
                "extraction": said,
                "target": question.answer,
                "correct": said == question.answer,
            }
        )
    for subject, values in sorted(correct.items()):
        report.results[f"mmlu_{subject}"] = harness.scored("acc", "none", values)
        report.subtasks.append(f"mmlu_{subject}")
    everything = [value for values in correct.values() for value in values]
    # The paper's script averages over questions, not over subjects.
    report.results["mmlu"] = {
        **harness.scored("acc", "none", everything),
        "acc_macro,none": harness.mean([harness.mean(values) for values in correct.values()]),
    }
    report.higher_is_better = {"acc": True, "acc_macro": True}
    report.config = {"data": origin, "chat": "chat" if in_chat else "completion"}
    write_jsonl(samples, rows)
    report.write(result, model)


def prompt(model: Model, shots: list[Question], question: Question, in_chat: bool) -> Prompt:
    """The original prompt, with its two spaces before the subject where the subject's words are put in. What stands
    before the question is shared by the subject's questions."""
    words = question.subject.replace("_", " ")
    head = f"The following are multiple choice questions (with answers) about  {words}.\n\n"
    text = head + "".join(f"{shot.text()} {shot.answer}\n\n" for shot in shots) + question.text()
    if in_chat:
        asked = [{"role": "user", "content": text.removesuffix("\nAnswer:")}]
        text = model.chat_prompt(asked, prefill="Answer:")
    return Prompt(text, text.rfind(question.text().removesuffix("\nAnswer:")))


def by_subject(source: Fetched) -> dict[str, dict[str, list[Question]]]:
    """The splits dev and test, each with its questions by subject. Raises `ValueError` for the first bad record."""
    splits: dict[str, dict[str, list[Question]]] = {"dev": defaultdict(list), "test": defaultdict(list)}
    for file in source.files:
        for question in harness.readable(read(file)):
            splits[file.meta["split"]][question.subject].append(question)
    return splits


def choose(test: dict[str, list[Question]], limit: int | None, seed: int) -> list[Question]:
    """At most `limit` questions of each subject, a seeded choice, the subjects in alphabetical order."""
    return [
        question
        for subject in sorted(test)
        for question in harness.choose(test[subject], limit, seed, lambda question: question.where)
    ]


def read(file: FetchedFile) -> Iterator[Question | BadRecord]:
    """Rows question, A, B, C, D, answer of a CSV without header; the subject stands in the file's meta."""
    text = file.path.read_text(encoding="utf-8")
    for number, row in enumerate(csv.reader(io.StringIO(text, newline="")), 1):
        where = f"{file.name}:{number}"
        if len(row) != 6 or row[5] not in LETTERS or len(row[5]) != 1:
            yield BadRecord(
                where, "wrong_type", f"{len(row)} fields, answer {row[-1:]}; 6 fields and a letter A to D are allowed"
            )
            continue
        question, first, second, third, fourth, answer = row
        yield Question(file.meta["subject"], where, question, (first, second, third, fourth), answer)
