"""An episode of IC-SQL: its connection, and the reward of each statement."""

from lemur.agents.episodes.environment import Action
from lemur.agents.intercode.game import Machine, Outcome
from lemur.agents.intercode.published import Turn
from lemur.agents.intercode.sql.rewards import Result, reward, right
from lemur.agents.intercode.sql.server import Server
from lemur.benchmark_items.intercode import Task

ERROR = "Error executing query: "


class SqlMachine:
    """`lemur.agents.intercode.game.Machine`."""

    def __init__(self, server: Server, task: Task) -> None:
        self._connection = server.connect(task.database)
        self.gold = task.gold
        self._ordered = "order by" in task.gold.lower()
        self.expected: Result = None
        self._known = False

    def act(self, action: Action) -> Outcome:
        result = self._connection.run(action.text)
        if not self._known or self._connection.changed:
            self.expected, self._known = self._connection.run(self.gold), True
        output = f"{ERROR}{result}" if isinstance(result, str) else result
        return Outcome(output, reward(result, self.expected), right(result, self.expected, ordered=self._ordered))

    def close(self) -> None:
        self._connection.close()


def difference(turn: Turn, outcome: Outcome, machine: Machine) -> str:
    """Why a published statement scores otherwise here (`lemur.agents.intercode.published.replay`)."""
    assert isinstance(machine, SqlMachine)
    if not isinstance(outcome.output, list):
        return "the statement fails here"
    if turn.output.startswith(ERROR):
        return "the statement failed there"
    if not isinstance(machine.expected, list):
        return "the gold query fails here"
    if turn.reward == 1 and right(outcome.output, machine.expected, ordered=False):
        return "the same rows in another order"
    if str(outcome.output) == turn.output:
        return "another result of the gold query"
    return "other rows"
