"""What needs no model: the gold commands, and answers that are always the same."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

from lemur.agents.episodes.environment import Action
from lemur.agents.episodes.results import RULES
from lemur.agents.intercode.stage import Assignment
from lemur.core import workers

CONSTANTS = {
    "sql": ("SELECT 1 WHERE 1 = 0", "SELECT 0", "SELECT 1", "SELECT 2", "SELECT 3"),
    "bash": ("true", "echo 0", "echo 1"),
}
"""Commands that print nothing, or the most frequent numbers. Capture the flag: each task's own flag."""


def shares(language: str, assignments: Sequence[Assignment]) -> tuple[Mapping[str, float], dict[str, dict[str, float]]]:
    """Shares of tasks that are solved in a single turn, by rule: by their gold commands, and by each constant. Raises
    `EnvironmentFault`."""
    constants = CONSTANTS.get(language) or tuple(sorted({each.task.gold for each in assignments}))
    with ThreadPoolExecutor(workers.count() + 1) as pool:
        gold, *by_constant = [
            list(pool.map(lambda each: _solved(language, each, each.task.gold if text is None else text), assignments))  # noqa: B023
            for text in (None, *constants)
        ]
    return _share(gold), {text: _share(verdicts) for text, verdicts in zip(constants, by_constant, strict=True)}


def _solved(language: str, assignment: Assignment, text: str) -> dict[str, bool]:
    action = Action("solution", f"submit {text}") if language == "ctf" else Action("tool", text)
    verdicts = {}
    for rule in RULES:
        with closing(assignment.start(rule)) as machine:
            outcome = machine.act(action)
        verdicts[rule] = outcome.right if rule == "strict" else outcome.reward == 1
    return verdicts


def _share(verdicts: Sequence[Mapping[str, bool]]) -> dict[str, float]:
    return {rule: sum(verdict[rule] for verdict in verdicts) / len(verdicts) for rule in RULES}
