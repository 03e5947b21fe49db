"""The plan that comes with a game, gt_traj.txt: calls that win it, and what the game said to each."""

import ast
import re
from dataclasses import dataclass

from lemur.agents.household.game import Game
from lemur.agents.household.tools import tools

_BLOCK = re.compile(r"<execute>\n(.*?)</execute>\s*Observation:\n(.*?)(?=Assistant:|\Z)", re.DOTALL)
_TOOLS = {"take": "take_from", "open": "open_receptacle", "close": "close_receptacle"}
"""Tools by their names in plans, where these differ."""


@dataclass(frozen=True)
class Call:
    tool: str
    arguments: tuple[str, ...]
    observation: str


def read_plan(text: str) -> list[Call]:
    """Raises `ValueError` with the line that is not a call, or if not every call has an observation."""
    calls: list[Call] = []
    for code, observations in _BLOCK.findall(text):
        lines, seen = code.splitlines(), observations.splitlines()
        if len(lines) != len(seen):
            raise ValueError(f"{len(lines)} calls, but {len(seen)} observations, from {lines[:1]} on")
        calls += [Call(*_call(line), observation) for line, observation in zip(lines, seen, strict=True)]
    if not calls:
        raise ValueError("no <execute> block with an observation")
    return calls


def _call(line: str) -> tuple[str, tuple[str, ...]]:
    try:
        call = ast.parse(line, mode="eval").body
    except SyntaxError:
        call = None
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
        raise ValueError(f"{line!r:.80} is not a call")
    values = [each.value for each in call.args if isinstance(each, ast.Constant) and isinstance(each.value, str)]
    if len(values) != len(call.args) or call.keywords:
        raise ValueError(f"{line!r:.80}: arguments must be strings")
    return _TOOLS.get(call.func.id, call.func.id), tuple(values)


def play_plan(game: Game, calls: list[Call]) -> list[str]:
    """What the game says to each call; `game.won` says whether the plan wins."""
    functions = tools(game)
    return [functions[call.tool](*call.arguments) for call in calls]
