"""An episode under MINT's rules: cells of Python, two proposals, five turns."""

from collections.abc import Callable, Mapping

from lemur.agents.dialogue.messages import NOT_UNDERSTOOD, WRONG, Limits, parse
from lemur.agents.episodes.cell_record import Cells
from lemur.agents.episodes.environment import Action, Message, Step

Judge = Callable[[str], Mapping[str, bool]]
"""The verdict on a proposed solution, by rule."""


class Dialogue:
    """`lemur.agents.episodes.environment.Environment` under MINT's rules. The paper's rule decides when the episode
    ends: other rules only give their verdict on what was proposed until then."""

    def __init__(self, opening: str, limits: Limits, cells: Cells, judge: Judge) -> None:
        self._opening, self._limits, self._cells, self._judge = opening, limits, cells, judge
        self._turns = self._proposals = 0

    def reset(self) -> list[Message]:
        self._turns = self._proposals = 0
        return [{"role": "user", "content": self._opening}]

    def step(self, answer: str) -> Step:
        action = parse(answer)
        self._turns += 1
        # A proposal that cannot be read counts as one.
        self._proposals += action.kind == "solution" or action == Action("invalid", "solution")
        solved: Mapping[str, bool] = {}
        if action.kind == "invalid":
            observation = NOT_UNDERSTOOD
        elif action.kind == "tool":
            output = self._cells.run(action.text)
            observation, solved = output.text.strip(), output.solved
        else:
            observation, solved = WRONG, self._judge(action.text)
        ended: str | None
        if solved.get("paper"):
            ended = "solved"
            observation = "" if action.kind == "solution" else observation
        elif self._proposals >= self._limits.proposals:
            ended = "proposals"
        else:
            ended = "turns" if self._turns >= self._limits.turns else None
        left = self._left()
        return Step(action, observation, solved, ended, {"turns": left.turns, "proposals": left.proposals})

    def close(self) -> None:
        self._cells.close()

    def _left(self) -> Limits:
        return Limits(self._limits.turns - self._turns, self._limits.proposals - self._proposals)
