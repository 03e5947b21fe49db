"""InterCode's published episodes: scored again from the log alone, and played again on a live machine."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lemur.agents.episodes.environment import Action
from lemur.agents.intercode.game import Machine, Outcome
from lemur.core.records import Record, read_json

NO_CODE = ("No SQL code was found", "No BASH code was found")


@dataclass(frozen=True)
class Turn:
    """`output`: what the log says, whole; `command`: `None` if the parser found none."""

    command: str | None
    output: str
    reward: float


@dataclass(frozen=True)
class Recorded:
    """`index` of the task in its file; `query` to check that it is the same."""

    index: int
    query: str
    turns: tuple[Turn, ...]
    most: int

    @property
    def solved(self) -> bool:
        return any(turn.reward == 1 for turn in self.turns)


@dataclass(frozen=True)
class Replayed:
    """Live rewards and verdicts by turn; `difference`: class of the first turn whose success differs, or empty."""

    recorded: Recorded
    rewards: tuple[float, ...]
    right: tuple[bool, ...]
    outputs_equal: int
    difference: str

    @property
    def solved(self) -> bool:
        return 1 in self.rewards


def read(path: Path) -> list[Recorded]:
    """Raises `ValueError` for another layout."""
    episodes = []
    for key, record in read_json(path).items():
        try:
            history = record["turn_history"]
            rows = zip(history["actions"], history["observations"], history["rewards"], strict=True)
            turns = tuple(
                Turn(None if output.startswith(NO_CODE) else action, output, float(reward))
                for action, output, reward in rows
            )
            episodes.append(Recorded(int(key), record["query"], turns, int(record["summary"]["turns_max"])))
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path}: episode {key}: {error!r}; a log of InterCode's evaluation is expected") from None
    return episodes


def rescore(episodes: Sequence[Recorded]) -> Record:
    """Solved episodes, their share, and the share by turn (paper, Figure 4)."""
    most = max((each.most for each in episodes), default=0)
    curve = [
        sum(any(turn.reward == 1 for turn in each.turns[:turns]) for each in episodes) / len(episodes)
        for turns in range(1, most + 1)
    ]
    solved = sum(each.solved for each in episodes)
    return {"episodes": len(episodes), "solved": solved, "success": solved / len(episodes), "by_turns": curve}


def replay(
    recorded: Recorded, start: Callable[[], Machine], classify: Callable[[Turn, Outcome, Machine], str]
) -> Replayed:
    """Give the recorded commands to a fresh machine, all of them. Raises `EnvironmentFault`."""
    machine = start()
    rewards, right, equal, difference = [], [], 0, ""
    try:
        for turn in recorded.turns:
            if turn.command is None:
                rewards.append(0.0)
                right.append(False)
                continue
            outcome = machine.act(Action("tool", turn.command))
            rewards.append(outcome.reward)
            right.append(outcome.right)
            equal += str(outcome.output) == turn.output
            if not difference and (outcome.reward == 1) != (turn.reward == 1):
                difference = classify(turn, outcome, machine)
    finally:
        machine.close()
    return Replayed(recorded, tuple(rewards), tuple(right), equal, difference)


def summary(replayed: Iterable[Replayed]) -> Mapping[str, object]:
    every = list(replayed)
    pairs = [
        (live, turn.reward) for each in every for live, turn in zip(each.rewards, each.recorded.turns, strict=True)
    ]
    return {
        "episodes": len(every),
        "published": sum(each.recorded.solved for each in every),
        "solved": sum(each.solved for each in every),
        "agree": sum(each.solved == each.recorded.solved for each in every),
        "rewards": len(pairs),
        "rewards_equal": sum(abs(live - published) < 0.005 for live, published in pairs),
        "right_by_strict": sum(any(each.right) for each in every),
        "differences": dict(
            sorted(Counter(each.difference for each in every if each.solved != each.recorded.solved).items())
        ),
    }
