"""From a finished episode to its verdict: pure functions of the task, the answer and what the browser found."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lemur.agents.web import matching
from lemur.agents.web.judge import WRONG, Question
from lemur.agents.web.matching import RULES, Verdict
from lemur.benchmark_items.webarena import Task
from lemur.core.records import Record

KEPT_CHARACTERS = 2000
"""Characters that a record keeps of a target's content."""


@dataclass(frozen=True)
class Found:
    """What there was when the episode ended. `url`: of the last page; `contents`: at each target, their beginning;
    `matches`: the verdict on each target's whole content."""

    url: str
    contents: tuple[str, ...]
    matches: tuple[Verdict, ...]

    def record(self) -> Record:
        return {"url": self.url, "contents": list(self.contents), "matches": [dict(each) for each in self.matches]}


def found(task: Task, url: str, contents: Sequence[str]) -> Found:
    """`contents`: the whole text at each of the task's targets."""
    matches = [matching.content(target, text) for target, text in zip(task.evaluation.targets, contents, strict=True)]
    return Found(url, tuple(text[:KEPT_CHARACTERS] for text in contents), tuple(matches))


def from_record(record: Record) -> Found:
    return Found(record["url"], tuple(record["contents"]), tuple(record["matches"]))


def questions(task: Task, answer: str) -> list[Question]:
    """What the judge has to be asked about `answer`."""
    evaluation, answer = task.evaluation, matching.cleaned(answer)
    if "string_match" not in evaluation.kinds or not answer:
        return []
    if evaluation.impossible:
        return (
            []
            if answer == "n/a" or not evaluation.note
            else [Question(task.intent, evaluation.note, answer, reason=True)]
        )
    return [Question(task.intent, reference, answer) for reference in evaluation.fuzzy]


def verdict(task: Task, answer: str, place: Found, judged: Mapping[Question, Verdict]) -> Verdict:
    """Whether all of the task's evaluations hold. `judged`: verdicts on `questions(task, answer)`."""
    evaluation = task.evaluation
    verdicts: list[Verdict] = []
    for kind in evaluation.kinds:
        if kind == "string_match":
            verdicts.append(string(task, answer, judged))
        elif kind == "url_match":
            verdicts.append(matching.address(evaluation.url, place.url, evaluation.url_rule))
        else:
            verdicts += place.matches
    return {rule: all(each[rule] for each in verdicts) for rule in RULES}


def string(task: Task, answer: str, judged: Mapping[Question, Verdict]) -> Verdict:
    """Whether `answer` is the one of the task. An impossible task without a note accepts "N/A" alone."""
    evaluation = task.evaluation
    answer = matching.cleaned(answer)
    verdicts: list[Verdict] = []
    if evaluation.exact is not None:
        verdicts.append(matching.exact(evaluation.exact, answer))
    alone = len(evaluation.include) == 1
    verdicts += [matching.included(reference, answer, alone=alone) for reference in evaluation.include]
    if evaluation.impossible:
        right = answer == "n/a"
        asked = questions(task, answer)
        verdicts.append({"paper": right, "strict": right} if right or not asked else judged[asked[0]])
    elif evaluation.fuzzy:
        verdicts += [judged[each] for each in questions(task, answer)] if answer else [WRONG]
    return {rule: all(each[rule] for each in verdicts) for rule in RULES}


def constant_answer(tasks: Sequence[Task], answer: str) -> dict[str, float]:
    """Share of `tasks` that `answer` solves without a look at any page, by rule; what a judge decides is wrong."""
    nowhere = [Found("", (), (WRONG,) * len(task.evaluation.targets)) for task in tasks]
    judged = [{question: WRONG for question in questions(task, answer)} for task in tasks]
    verdicts = [verdict(*each) for each in zip(tasks, [answer] * len(tasks), nowhere, judged, strict=True)]
    return {rule: sum(each[rule] for each in verdicts) / len(tasks) for rule in RULES}
