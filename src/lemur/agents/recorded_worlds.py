"""Recorded trajectories played again in live environments: the same dialogue, sessions, search and games as a run's."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lemur.agents.dialogue.environment import Dialogue, Judge
from lemur.agents.dialogue.messages import Limits, next_message
from lemur.agents.episodes.cell_record import CellRecord, Cells, Interpreter, Output
from lemur.agents.episodes.environment import EnvironmentFault, Step
from lemur.agents.episodes.replay import Replayed, replay_all
from lemur.agents.household.game import Engine, Game, open_game
from lemur.agents.household.tools import tools
from lemur.agents.published.folders import Setting, find
from lemur.agents.published.trajectories import Recorded, read
from lemur.agents.python_cells import PythonInterpreter
from lemur.agents.scoring.verdict import judge
from lemur.agents.search.layers import Layers
from lemur.benchmark_items import alfworld
from lemur.benchmark_items.mint import group
from lemur.sandbox.sessions.session import Session
from lemur.sources.fetched import load
from lemur.sources.reading.rows import readable

SECONDS = 30
"""Of a cell, as in MINT."""


@dataclass(frozen=True)
class Worlds:
    """What recorded episodes are played again in. `characters` of an observation are compared; `games` by id."""

    search: Layers
    games: Mapping[str, alfworld.Household]
    engine: Engine
    characters: int


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


def games_of(source: Path) -> dict[str, alfworld.Household]:
    """The games of a fetched source `alfworld`, by id."""
    files = [file for file in load(source).files if file.schema == "alfworld_game"]
    return {game.where: game for file in files for game in readable(alfworld.read(file))}


def replayed(folder: Path, worlds: Worlds, tasks: Sequence[str] = ()) -> list[tuple[Setting, str, Replayed]]:
    """All trajectories below `folder`, or only those of `tasks`, with their settings and tasks."""
    recorded = [
        (log.setting, one) for log in find(folder) for one in read(log.path, log.task) if not tasks or one.task in tasks
    ]
    played = replay_all([
        (one.episode, one.recorded["paper"], world_of(one, setting, worlds)) for setting, one in recorded
    ])  # fmt: skip
    return [(setting, one.task, again) for (setting, one), again in zip(recorded, played, strict=True)]


def world_of(recorded: Recorded, setting: Setting, worlds: Worlds) -> RecordedWorld:
    """Raises `EnvironmentFault`, when it opens, for a game that is not there."""
    limits = limits_of(recorded, setting)
    item = recorded.item
    if item is None:
        name = recorded.episode.id.removeprefix("alfworld/").partition(" ")[0]
        return RecordedWorld(recorded.episode.id, limits, lambda: Played(name, worlds), lambda _: {"paper": False})
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


class Played:
    """An interpreter whose tools act in a game; it starts with the first cell."""

    def __init__(self, name: str, worlds: Worlds) -> None:
        if name not in worlds.games:
            raise EnvironmentFault(f"the source alfworld has no game {name}")
        self._game: Game = open_game(worlds.games[name].path, worlds.games[name].sha256 or None, engine=worlds.engine)
        session = Session(tools(self._game), seconds=SECONDS, characters=worlds.characters)
        game = self._game
        self._python = PythonInterpreter(session, lambda: {"paper": game.done, "strict": game.won})

    def run(self, code: str) -> Output:
        return self._python.run(code)

    def close(self) -> None:
        self._python.close()
        self._game.close()


def lines(replayed: Iterable[tuple[Setting, str, Replayed]]) -> list[str]:
    """A table by setting and task, then each verdict that differs with the first observation that does."""
    by_part: dict[tuple[Setting, str], list[Replayed]] = {}
    for setting, task, one in replayed:
        by_part.setdefault((setting, task), []).append(one)
    text = [f"{'model, feedback':40} {'task':11} episodes  verdicts equal  observations equal  faults"]
    for (setting, task), every in sorted(by_part.items()):
        played = [one for one in every if one.fault is None]
        verdicts = sum(one.solved.get("paper", False) == one.recorded_solved for one in played)
        seen, equal = sum(one.observations for one in played), sum(one.equal for one in played)
        share = f"{equal} of {seen}" + (f" ({100 * equal / seen:.1f} %)" if seen else "")
        name = f"{setting.model}, {setting.feedback}"
        text.append(f"{name:40} {task:11} {len(every):8}  {verdicts:14}  {share:>18}  {len(every) - len(played):6}")
    for (setting, _), every in sorted(by_part.items()):
        for one in every:
            if one.fault is not None:
                text.append(f"{setting.model}, {one.id}: the environment failed: {one.fault}")
            elif one.solved.get("paper", False) != one.recorded_solved:
                text += ["", *_difference(setting, one)]
    return text


def _difference(setting: Setting, one: Replayed) -> list[str]:
    head = f"{setting.model}, {setting.feedback}, {one.id}: recorded {_word(one.recorded_solved)}, "
    head += f"live {_word(one.solved.get('paper', False))}"
    if one.first is None:
        return [head, "  no observation differs"]
    return [
        f"{head}; the first difference is in turn {one.first.turn}",
        f"  code      {one.first.action[-300:]!r}",
        f"  recorded  {one.first.recorded[:300]!r}",
        f"  live      {one.first.live[:300]!r}",
    ]


def _word(solved: bool) -> str:
    return "solved" if solved else "failed"
