"""ALFWorld: household tasks in a text game, played with Python functions in MINT's dialogue (paper, Table 7)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field

from lemur import sandbox
from lemur.agents.acting import ActParams, Assignment, act, open_model, outlook, say, write_played
from lemur.agents.dialogue.environment import Dialogue
from lemur.agents.dialogue.messages import Limits, first_message, next_message
from lemur.agents.dialogue.texts import Texts, read_texts
from lemur.agents.episodes.cell_record import CellRecord, Cells, Output
from lemur.agents.episodes.environment import Step
from lemur.agents.episodes.results import results
from lemur.agents.household import tools as verbs
from lemur.agents.household.game import Engine, Game, open_game
from lemur.agents.household.textworld_game import why_missing
from lemur.agents.python_cells import PythonInterpreter, record
from lemur.benchmark_items import alfworld as items
from lemur.evaluation.harness.asking import choose
from lemur.evaluation.harness.result import origin, write_skipped
from lemur.inference.answers.cache import Outlook
from lemur.sandbox.sessions.session import Session
from lemur.sources.fetched import Fetched, load
from lemur.sources.reading.rows import readable

WRONG: Mapping[str, bool] = {"paper": False, "strict": False}


class Params(ActParams):
    engine: Engine = Field(
        description="what runs the games: ALFWorld's own engine (`make agents`), or this project's, which needs nothing"
    )


def alfworld(params: Params, model: Path, benchmark: Path, texts: Path, *, result: Path, samples: Path) -> None:
    """Play the chosen games of the fetched `benchmark` with the prompts of the fetched MINT, `texts`; write the result
    and one episode a line. Without a sandbox, games or their engine the result is `skipped`."""
    source, protocol = load(benchmark), load(texts)
    games = read_games(source)
    if reason := why_skipped(params, source, protocol):
        return write_skipped("alfworld", reason, params, result, samples)
    player = open_model(params, model, "alfworld", params.prompt)
    assignments = choose_games(params, games, protocol)
    say("alfworld", model, outlook(params, player, assignments))
    finished = act(params, player, assignments)
    write_played(
        "alfworld",
        params,
        player,
        finished,
        results("alfworld", finished),
        original=len(games),
        config={"data": origin(source), "engine": params.engine},
        result=result,
        samples=samples,
    )


def rehearse(params: Params, model: Path, benchmark: Path, texts: Path) -> Outlook:
    """What the stage would ask if it ran now (`lemur answers`)."""
    source, protocol = load(benchmark), load(texts)
    if reason := why_skipped(params, source, protocol):
        return Outlook("skipped", reason)
    assignments = choose_games(params, read_games(source), protocol)
    return outlook(params, open_model(params, model, "alfworld", params.prompt), assignments)


def read_games(source: Fetched) -> list[items.Household]:
    return [game for file in source.files if file.schema == "alfworld_game" for game in readable(items.read(file))]


def why_skipped(params: Params, source: Fetched, protocol: Fetched) -> str | None:
    if missing := [each.name for each in (source, protocol) if not each.files]:
        return f"the source {missing[0]} is left out"
    return (why_missing() if params.engine == "textworld" else None) or sandbox.why_unavailable()


def choose_games(params: Params, games: Sequence[items.Household], protocol: Fetched) -> list[Assignment]:
    """The chosen games with each number of turns; `protocol`: the fetched MINT."""
    setting = Setting(params, read_texts(protocol), record({"engine": params.engine}))
    chosen = choose(games, params.limit, params.seed, lambda game: game.where)
    return [
        Assignment(
            HouseholdWorld(setting, game, params.limits(turns), params.suffix(turns)),
            "alfworld",
            "decision",
            game.plan,
            turns,
        )
        for turns in reversed(params.turns)
        for game in chosen
    ]


@dataclass(frozen=True)
class Setting:
    params: Params
    texts: Texts
    cells: CellRecord


@dataclass(frozen=True)
class HouseholdWorld:
    """A game with its limits; `suffix` tells its episode from those with other limits."""

    setting: Setting
    game: items.Household
    limits: Limits
    suffix: str

    @property
    def id(self) -> str:
        return f"alfworld/{self.game.where}{self.suffix}"

    def open(self) -> Dialogue:
        params, texts, kept = self.setting.params, self.setting.texts, self.setting.cells
        household = Household(
            self.start,
            seconds=params.cell_seconds,
            characters=params.observation_characters,
            memory_mb=params.cell_memory,
        )
        world = f"{self.game.sha256} {verbs.DESCRIPTION}"
        opening = kept.get(world)
        if opening is None:
            opening = Output(household.game.opening)
            kept.put(world, opening)
        message = first_message(
            texts.template,
            limits=self.limits,
            tools=verbs.DESCRIPTION,
            example=texts.example(f"alfworld/{self.game.kind}", False),
            task=f"Interact with a household to solve a task. \n{opening.text}",
        )
        return Dialogue(message, self.limits, Cells(world, lambda: household, kept), lambda _: WRONG)

    def start(self) -> Game:
        return open_game(self.game.path, self.game.sha256, engine=self.setting.params.engine)

    def message(self, step: Step, feedback: str) -> str:
        return next_message(step, feedback)


class Household:
    """A game and the Python session whose functions act in it. `paper`: the game is over, as MINT counts it, also after
    50 steps without success; `strict`: it is won."""

    def __init__(self, start: Callable[[], Game], **limits: Any) -> None:
        """`limits`: of a `Session`."""
        self._start, self._limits = start, limits
        self._game: Game | None = None
        self._python: PythonInterpreter | None = None

    @property
    def game(self) -> Game:
        if self._game is None:
            self._game = self._start()
        return self._game

    def run(self, code: str) -> Output:
        if self._python is None:
            game = self.game
            session = Session(verbs.tools(game), **self._limits)
            self._python = PythonInterpreter(session, lambda: {"paper": game.done, "strict": game.won})
        return self._python.run(code)

    def close(self) -> None:
        for part in (self._python, self._game):
            if part is not None:
                part.close()
        self._python = self._game = None
