"""Whether a proposed answer solves an item of MINT, by the rules `paper` and `strict`."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from lemur.agents.scoring import code, multiple_choice, reasoning, theoremqa
from lemur.benchmark_items.mint import GROUPS, Task

RULES = ("paper", "strict")
Verdict = dict[str, bool]
_WITHOUT_ORDER = re.compile(r"\beigen ?values\b|\broots\b", re.IGNORECASE)


class Proposal(NamedTuple):
    item: Task
    solution: str


def judge(task: str, item: Task, solution: str) -> Verdict:
    """{paper, strict} for a proposal to `item`, one of gsm8k, math, theoremqa, hotpotqa, mmlu, humaneval and mbpp.

    Programs run in the sandbox. Raises `ValueError` for another task, `lemur.sandbox.Unavailable`."""
    if task != item.task:
        raise ValueError(f"{item.where}: an item of {item.task}, not of {task}")
    return judge_all([Proposal(item, solution)])[0]


def judge_all(proposals: Sequence[Proposal]) -> list[Verdict]:
    """Verdicts in the order of `proposals`; all their programs run in one batch. Raises like `judge`."""
    programs = {
        (place, rule): code.program(item, solution, rule)
        for place, (item, solution) in enumerate(proposals)
        if item.task in GROUPS["code"]
        for rule in RULES
    }
    names = [proposals[place].item.id for place, _ in programs]
    passed = code.run_all(list(programs.values()), names) if programs else {}
    return [
        {rule: passed[programs[place, rule]] for rule in RULES}
        if item.task in GROUPS["code"]
        else _judge_text(item, solution)
        for place, (item, solution) in enumerate(proposals)
    ]


def _judge_text(item: Task, solution: str) -> Verdict:
    reference = str(item.reference)
    match item.task:
        case "gsm8k" | "math":
            return _verdict(reasoning.paper(reference, solution), reasoning.strict_number(reference, solution))
        case "hotpotqa":
            return _verdict(reasoning.paper(reference, solution), reasoning.strict_words(reference, solution))
        case "mmlu":
            return _verdict(
                multiple_choice.paper(item.prompt, reference, solution),
                multiple_choice.strict(item.options, reference, solution),
            )
        case "theoremqa":
            ordered = not _WITHOUT_ORDER.search(item.prompt)
            return _verdict(
                theoremqa.paper(item.answer_type, item.reference, solution),
                theoremqa.strict(item.answer_type, item.reference, solution, ordered=ordered),
            )
    raise ValueError(f"{item.where}: no rule for proposals to task {item.task!r}; its environment decides")


def _verdict(paper: bool, strict: bool) -> Verdict:
    return {"paper": paper, "strict": strict}
