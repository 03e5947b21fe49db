"""Recorded trajectories played again in live environments: the same dialogue, sessions, search and games as a run's."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lemur.agents.alfworld import Household
from lemur.agents.dialogue.environment import Dialogue, Judge
from lemur.agents.dialogue.messages import Limits, next_message
from lemur.agents.episodes.cell_record import CellRecord, Cells, Interpreter
from lemur.agents.episodes.environment import EnvironmentFault, Step
from lemur.agents.episodes.replay import Replayed, replay_all
from lemur.agents.household.game import Engine, Game, open_game
from lemur.agents.published.folders import Setting, find
from lemur.agents.published.trajectories import Recorded, read
from lemur.agents.python_cells import PythonInterpreter
from lemur.agents.scoring.verdict import judge
from lemur.agents.search.layers import Layers
from lemur.benchmark_items import alfworld
from lemur.benchmark_items.mint import group
from lemur.sandbox.sessions.session import Session

SECONDS = 30
"""Of a cell, as in MINT."""


@dataclass(frozen=True)
class Worlds:
    """What recorded episodes are played again in. `characters` of an observation are compared; `games` by id."""

    search: Layers
    games: Mapping[str, alfworld.Household]
    engine: Engine
    characters: int

    def game(self, name: str) -> Game:
        if name not in self.games:
            raise EnvironmentFault(f"the source alfworld has no game {name}")
        return open_game(self.games[name].path, self.games[name].sha256, engine=self.engine)


@dataclass(frozen=True)
class RecordedWorld:
    """The world of a recorded episode."""

    id: str
    limits: Limits
    start: Callable[[], Interpreter]
    judge: Judge

    def open(self) -> Dialogue:
        return Dialogue("", self.limits, Cells(self.id, self.start, CellRecord(None)), self.judge)

    def message(self, step: Step, feedback: str) -> str:
        return next_message(step, feedback)


def replayed(folder: Path, worlds: Worlds, tasks: Sequence[str] = ()) -> list[tuple[Setting, str, Replayed]]:
    """All trajectories below `folder`, or only those of `tasks`, with their settings and tasks."""
    recorded = [
        (log.setting, trajectory)
        for log in find(folder)
        for trajectory in read(log.path, log.task)
        if not tasks or trajectory.task in tasks
    ]
    played = replay_all([
        (trajectory.episode, trajectory.recorded["paper"], world_of(trajectory, setting, worlds))
        for setting, trajectory in recorded
    ])  # fmt: skip
    return [(setting, trajectory.task, again) for (setting, trajectory), again in zip(recorded, played, strict=True)]


def world_of(recorded: Recorded, setting: Setting, worlds: Worlds) -> RecordedWorld:
    """Raises `EnvironmentFault`, when it opens, for a game that is not there."""
    limits = limits_of(recorded, setting)
    item = recorded.item
    if item is None:
        name = recorded.episode.id.removeprefix("alfworld/").partition(" ")[0]

        def enter() -> Interpreter:
            return Household(lambda: worlds.game(name), seconds=SECONDS, characters=worlds.characters)

        return RecordedWorld(recorded.episode.id, limits, enter, lambda _: {"paper": False})
    search = {} if group(recorded.task) == "code" else {"wikipedia_search": worlds.search.search}

    def start() -> Interpreter:
        return PythonInterpreter(Session(search, seconds=SECONDS, characters=worlds.characters))

    return RecordedWorld(recorded.episode.id, limits, start, lambda solution: judge(recorded.task, item, solution))


def limits_of(recorded: Recorded, setting: Setting) -> Limits:
    """Those of the folder's name, else what the first turn left and the turn itself."""
    if setting.turns:
        return Limits(setting.turns, setting.proposals)
    turns = recorded.episode.turns
    left = turns[0].step.left if turns else {}
    proposed = bool(turns) and "<solution>" in turns[0].answer
    return Limits(left.get("turns", 4) + 1, left.get("proposals", 2) + proposed)


def lines(replayed: Iterable[tuple[Setting, str, Replayed]]) -> list[str]:
    """A table by setting and task, then each verdict that differs with the first observation that does."""
    by_part: dict[tuple[Setting, str], list[Replayed]] = {}
    for setting, task, episode in replayed:
        by_part.setdefault((setting, task), []).append(episode)
    text = [f"{'model, feedback':40} {'task':11} episodes  verdicts equal  observations equal  faults"]
    for (setting, task), every in sorted(by_part.items()):
        played = [episode for episode in every if episode.fault is None]
        verdicts = sum(episode.solved.get("paper", False) == episode.recorded_solved for episode in played)
        seen, equal = sum(episode.observations for episode in played), sum(episode.equal for episode in played)
        share = f"{equal} of {seen}" + (f" ({100 * equal / seen:.1f} %)" if seen else "")
        name = f"{setting.model}, {setting.feedback}"
        text.append(f"{name:40} {task:11} {len(every):8}  {verdicts:14}  {share:>18}  {len(every) - len(played):6}")
    for (setting, _), every in sorted(by_part.items()):
        for episode in every:
            if episode.fault is not None:
                text.append(f"{setting.model}, {episode.id}: the environment failed: {episode.fault}")
            elif episode.solved.get("paper", False) != episode.recorded_solved:
                text += ["", *_difference(setting, episode)]
    return text


def _difference(setting: Setting, episode: Replayed) -> list[str]:
    head = f"{setting.model}, {setting.feedback}, {episode.id}: recorded {_word(episode.recorded_solved)}, "
    head += f"live {_word(episode.solved.get('paper', False))}"
    if episode.first is None:
        return [head, "  no observation differs"]
    return [
        f"{head}; the first difference is in turn {episode.first.turn}",
        f"  code      {episode.first.action[-300:]!r}",
        f"  recorded  {episode.first.recorded[:300]!r}",
        f"  live      {episode.first.live[:300]!r}",
    ]


def _word(solved: bool) -> str:
    return "solved" if solved else "failed"
