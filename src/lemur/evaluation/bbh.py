"""BIG-Bench Hard: 27 reasoning tasks, three examples, no chain of thought (paper, Table 3; Suzgun et al. 2022)."""

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from lemur.core.records import Record, write_jsonl
from lemur.evaluation import harness
from lemur.evaluation.exact_match import plain
from lemur.inference.interface import Model, Prompt
from lemur.sources.fetched import BadRecord, FetchedFile, load

RULES = ("paper", "strict")


class Params(harness.GenerateParams):
    shots: int = Field(description="examples of the task before each question", ge=0)
    limit: int | None = Field(description="questions of each task, a seeded choice; null for all of them", gt=0)
    strip_prompt: bool = Field(
        description="whether the model writes the space after `A:` itself: tokenizers that keep a word with the space "
        "before it never saw a space end a text"
    )


@dataclass(frozen=True)
class Question:
    task: str
    where: str
    input: str
    target: str


@dataclass(frozen=True)
class Examples:
    """What a task's prompt begins with: its description, and question and answer of each example."""

    task: str
    description: str
    shots: tuple[str, ...]

    def before(self, count: int) -> str:
        return "\n\n".join([self.description, *self.shots[:count]]).strip()


def bbh(params: Params, model: Path, benchmark: Path, *, result: Path, samples: Path) -> None:
    """Ask `model` every chosen question of the fetched `benchmark`; write the result and one sample a question."""
    source = load(benchmark)
    if not source.files:
        harness.write_skipped("bbh", f"the source {source.name} is left out", params, result, samples)
        return
    tasks: dict[str, list[Question]] = {}
    examples: dict[str, Examples] = {}
    for file in source.files:
        if file.meta["split"] == "test":
            tasks[file.meta["task"]] = harness.readable(read(file))
        else:
            examples[file.meta["task"]] = read_examples(file)
    if missing := sorted(set(tasks) - set(examples)):
        raise ValueError(f"{benchmark}: no examples for {', '.join(missing)}; each task needs a file of split dev")
    origin = harness.origin(source)
    evaluate(params, harness.open_model(model, params), examples, tasks, origin=origin, result=result, samples=samples)


def evaluate(
    params: Params,
    model: Model,
    examples: dict[str, Examples],
    tasks: dict[str, list[Question]],
    *,
    origin: Record,
    result: Path,
    samples: Path,
) -> None:
    """`examples` and `tasks` by the task's name."""
    short = [task for task in sorted(tasks) if len(examples[task].shots) < params.shots]
    if short:
        raise ValueError(f"bbh.shots is {params.shots}, more examples than {', '.join(short)} have")
    chosen = [
        question
        for task in sorted(tasks)
        for question in harness.choose(tasks[task], params.limit, params.seed, lambda question: question.where)
    ]
    in_chat = harness.asks_in_chat(model, params.chat)
    room = model.context_length - params.max_new_tokens

    def fitted(question: Question) -> tuple[Prompt, int]:
        def build(count: int) -> Prompt:
            return prompt(model, examples[question.task].before(count), question, in_chat, params.strip_prompt)

        return harness.fit_shots(build, params.shots, model, room)

    prompts = [fitted(question) for question in chosen]
    stop = params.stops(["\n", "Q: "] if in_chat else ["\n"])
    answers = harness.generate_fitting(
        model, [text for text, _ in prompts], max_new_tokens=params.max_new_tokens, stop=stop, seed=params.seed
    )
    report = harness.Report("bbh", params, 1, params.shots, sum(map(len, tasks.values())), len(chosen))
    rows: list[Record] = []
    by_task: defaultdict[str, list[Record]] = defaultdict(list)
    for question, (text, count), answer in zip(chosen, prompts, answers, strict=True):
        outcome = harness.answered(report, answer)
        said = {"paper": first_sentence(outcome["output"]), "strict": first_line(outcome["output"])}
        report.counts["unanswered"] += not said["strict"]
        report.counts["fewer_shots"] += count < params.shots
        row = {
            "id": question.where,
            "task": question.task,
            "prompt": text,
            "shots": count,
            **outcome,
            "extraction": said,
            "target": question.target,
            "correct": {
                "paper": answer is not None and plain(said["paper"]) == plain(question.target),
                "strict": said["strict"].casefold() == question.target.strip().casefold(),
            },
        }
        rows.append(row)
        by_task[question.task].append(row)
    for task, found in sorted(by_task.items()):
        report.subtasks.append(f"bbh_{task}")
        report.results[f"bbh_{task}"] = {
            key: value
            for rule in RULES
            for key, value in harness.scored(
                "exact_match", rule, [float(row["correct"][rule]) for row in found]
            ).items()
        }
    per_task = [report.results[name] for name in report.subtasks]
    report.results["bbh"] = harness.macro("exact_match", "paper", per_task) | harness.macro(
        "exact_match", "strict", per_task
    )
    report.higher_is_better = {"exact_match": True}
    report.config = {"data": origin, "chat": "chat" if in_chat else "completion", "stop": stop}
    write_jsonl(samples, rows)
    report.write(result, model)


def prompt(model: Model, before: str, question: Question, in_chat: bool, strip: bool) -> Prompt:
    """`strip`: without the space at the end, which only the plain prompt has."""
    text = f"{before}\n\nQ: {question.input}"
    if in_chat:
        text = model.chat_prompt([{"role": "user", "content": text}], prefill="A:")
    else:
        text = f"{text}\nA:" if strip else f"{text}\nA: "
    return Prompt(text, text.rfind(question.input))


def first_sentence(output: str) -> str:
    """The paper's rule: up to the first period of the first paragraph; of that the first `(x)` if there are round
    brackets and no square ones."""
    text = output.strip().split("\n\n")[0].strip()
    if found := re.search(r"(.*?)\.", text):
        text = found[1].strip()
    if "(" in text and ")" in text and "[" not in text and "]" not in text and (option := re.search(r"\(\w\)", text)):
        return option[0]
    return text


def first_line(output: str) -> str:
    """Strict rule: the first line without its last period; of a line that begins with an option `(X)`, the option."""
    line = (output.strip().splitlines() or [""])[0].strip()
    option = re.match(r"\(\w\)(?=$|[\s.,:])", line)
    return option[0] if option else line.removesuffix(".").rstrip()


def read(file: FetchedFile) -> Iterator[Question | BadRecord]:
    """A JSON object {canary, examples: [{input, target}]}; the task stands in the file's meta."""
    try:
        examples = json.loads(file.path.read_bytes())["examples"]
    except (ValueError, KeyError, TypeError) as error:
        yield BadRecord(file.name, "not_json" if isinstance(error, ValueError) else "missing_field", repr(error)[:200])
        return
    for index, example in enumerate(examples):
        where = f"{file.name}:{index}"
        try:
            asked, target = example["input"], example["target"]
        except (KeyError, TypeError) as error:
            yield BadRecord(where, "missing_field", repr(error)[:200])
            continue
        if not (isinstance(asked, str) and isinstance(target, str)):
            yield BadRecord(where, "wrong_type", f"input {asked!r:.50}, target {target!r:.50}; strings are allowed")
            continue
        yield Question(file.meta["task"], where, asked, target)


def read_examples(file: FetchedFile) -> Examples:
    """A file of chain-of-thought prompts: two lines of head, the description, then blocks `Q: ... A: ...`, of whose
    answers what follows the last "So the answer is" is kept, its period too."""
    description: list[str] = []
    shots: list[str] = []
    for block in "".join(file.path.read_text(encoding="utf-8").splitlines(keepends=True)[2:]).split("\n\n"):
        if not block.startswith("Q:"):
            description.append(block)
            continue
        _, marker, answer = block.rpartition("So the answer is")
        question, colon, _ = block.partition("\nA:")
        if not marker or not colon:
            raise ValueError(f"{file.path}: an example without 'A:' or 'So the answer is': {block[:80]!r}")
        shots.append(f"{question.strip()}\nA: {answer.strip()}")
    return Examples(file.meta["task"], "\n\n".join(description).strip(), tuple(shots))
