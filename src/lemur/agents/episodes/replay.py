"""Recorded episodes played again: the recorded answers in live environments, every observation compared."""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from lemur.agents.episodes.environment import EnvironmentFault, World
from lemur.agents.episodes.episode import Episode
from lemur.core import workers
from lemur.core.records import Record


@dataclass(frozen=True)
class Difference:
    """The first turn whose observation differs."""

    turn: int
    action: str
    recorded: str
    live: str


@dataclass(frozen=True)
class Replayed:
    """An episode played again. `equal` of `observations` are as recorded; those after the episode's last answer are not
    recorded. `solved`: live verdict by rule; `fault`: why the environment failed, if it did."""

    id: str
    observations: int
    equal: int
    recorded_solved: bool
    solved: dict[str, bool]
    first: Difference | None
    fault: str | None = None

    def record(self) -> Record:
        return {**vars(self), "first": vars(self.first) if self.first else None}


def replay(episode: Episode, world: World, *, recorded_solved: bool) -> Replayed:
    """Take `episode`'s answers to a fresh environment of `world`, as far as that goes."""
    equal = compared = 0
    first: Difference | None = None
    solved: dict[str, bool] = {}
    environment = world.open()
    try:
        environment.reset()
        for number, turn in enumerate(episode.turns, 1):
            step = environment.step(turn.answer)
            for rule, verdict in step.solved.items():
                solved[rule] = solved.get(rule, False) or verdict
            if turn.message:  # the last observation is not recorded
                compared += 1
                same = step.observation.strip() == turn.step.observation.strip()
                equal += same
                if not same and first is None:
                    first = Difference(number, step.action.text, turn.step.observation, step.observation)
            if step.ended is not None:
                break
    except EnvironmentFault as fault:
        return Replayed(episode.id, compared, equal, recorded_solved, solved, first, str(fault))
    finally:
        environment.close()
    return Replayed(episode.id, compared, equal, recorded_solved, solved, first)


def replay_all(recorded: Sequence[tuple[Episode, bool, World]]) -> list[Replayed]:
    """Several at once, in their order; each with its recorded verdict and its world."""
    with ThreadPoolExecutor(workers.count() + 1) as pool:
        return list(pool.map(lambda each: replay(each[0], each[2], recorded_solved=each[1]), recorded))


def summary(replayed: Iterable[Replayed]) -> Record:
    """Counts over episodes and observations."""
    every = list(replayed)
    played = [each for each in every if each.fault is None]
    return {
        "episodes": len(every),
        "faults": len(every) - len(played),
        "verdicts_equal": sum(each.solved.get("paper", False) == each.recorded_solved for each in played),
        "observations": sum(each.observations for each in played),
        "observations_equal": sum(each.equal for each in played),
        "episodes_equal": sum(each.first is None for each in played),
    }
