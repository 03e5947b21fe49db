"""What needs no model: the gold commands, and answers that are always the same."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

from lemur.agents.episodes.environment import Action
from lemur.agents.episodes.results import RULES
from lemur.agents.intercode.stage import Assignment
from lemur.core import workers

Verdict = Mapping[str, bool]
CONSTANTS = {
    "sql": ("SELECT 1 WHERE 1 = 0", "SELECT 0", "SELECT 1", "SELECT 2", "SELECT 3"),
    "bash": ("true", "echo 0", "echo 1"),
}
"""Commands that print nothing, or the most frequent numbers. Capture the flag: each task's own flag."""


def verdicts(language: str, assignments: Sequence[Assignment]) -> tuple[list[Verdict], dict[str, list[Verdict]]]:
    """Whether each task is solved in a single turn, by rule: by its gold command, and by each constant. Raises
    `EnvironmentFault`."""
    constants = CONSTANTS.get(language) or tuple(sorted({each.task.gold for each in assignments}))
    with ThreadPoolExecutor(workers.count() + 1) as pool:

        def judged(text: str | None) -> list[Verdict]:
            return list(pool.map(lambda each: _solved(language, each, text or each.task.gold), assignments))

        return judged(None), {text: judged(text) for text in constants}


def _solved(language: str, assignment: Assignment, text: str) -> Verdict:
    action = Action("solution", f"submit {text}") if language == "ctf" else Action("tool", text)
    solved = {}
    for rule in RULES:
        with closing(assignment.start(rule)) as machine:
            outcome = machine.act(action)
        solved[rule] = outcome.right if rule == "strict" else outcome.reward == 1
    return solved
