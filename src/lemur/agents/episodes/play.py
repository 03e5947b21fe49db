"""Moves many episodes forward together: one batched question to the model a turn, then all their environments.

Nothing here decides what an episode contains: the same model gives the same episodes, whatever the order of the worlds,
the number of workers or of episodes at once. What the model answered and what cells printed is on record
(`inference/answers/cache.py`, `cell_record.py`), so an interrupted run goes through its first turns without asking."""

import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from tqdm import tqdm

from lemur.agents.episodes.environment import Environment, EnvironmentFault, Step, World
from lemur.agents.episodes.episode import Episode, Turn
from lemur.inference.interface import Generation, Model

AT_ONCE = 32
"""Episodes that are open at the same time. A session takes 16 MB, 57 with sympy imported, 105 with pandas."""
ATTEMPTS = 3
"""Attempts at a turn whose environment fails, each in a fresh environment."""

log = logging.getLogger(__name__)


class Teacher(Protocol):
    """Comments on a turn before the model goes on (`dialogue/teacher.py`)."""

    def feedback(self, turns: Sequence[tuple[Episode, str]]) -> list[tuple[str, int]]:
        """For each episode and what its model would read next: a comment and its number of tokens."""
        ...


@dataclass(frozen=True)
class Asking:
    """How an episode becomes a prompt, and how the model is asked. `tokens`: maximum of an answer."""

    prompt: Callable[[Model, Episode], str]
    tokens: int
    stop: Sequence[str]


@dataclass
class _Played:
    """An unfinished episode and its environment."""

    world: World
    environment: Environment | None
    """`None` if it never opened, or after it failed."""
    episode: Episode
    prompt: str = ""
    prompt_tokens: int = 0


@dataclass
class _Progress:
    """A bar on a terminal, a line now and then in a log."""

    total: int
    quiet: bool
    bar: tqdm = field(init=False)
    turns: int = 0
    solved: int = 0
    started: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.bar = tqdm(total=self.total, unit="episode", desc="episodes", disable=self.quiet)

    def add_turns(self, count: int) -> None:
        self.turns += count
        rate = self.turns / max(time.monotonic() - self.started, 1e-9)
        self.bar.set_postfix_str(f"{self.solved} solved, {rate:.1f} turns/s", refresh=False)

    def finish(self, episode: Episode) -> None:
        self.solved += episode.ended == "solved"
        self.bar.update()


def play(
    model: Model,
    worlds: Sequence[World],
    asking: Asking,
    *,
    teacher: Teacher | None = None,
    workers: int = 1,
    at_once: int = AT_ONCE,
    quiet: bool = False,
) -> list[Episode]:
    """The episodes in the order of `worlds`.

    An episode whose environment fails `ATTEMPTS` times ends with `fault`; one whose prompt leaves no room for an answer
    ends with `context`, as a request beyond the context did in the paper's runs. `workers`: environments that act at
    the same time; `at_once`: episodes that are open at the same time; `quiet`: show no progress.
    """
    waiting = list(reversed(worlds))
    finished: dict[str, Episode] = {}
    playing: list[_Played] = []
    progress = _Progress(len(worlds), quiet)
    try:
        with ThreadPoolExecutor(workers) as pool:
            while waiting or playing:
                opened = [waiting.pop() for _ in range(min(at_once - len(playing), len(waiting)))]
                playing += pool.map(_open, opened)
                progress.add_turns(_play_turn(model, playing, asking, teacher, pool))
                for played in playing:
                    if played.episode.ended is not None:
                        _close(played.environment)
                        finished[played.world.id] = played.episode
                        progress.finish(played.episode)
                playing = [played for played in playing if played.episode.ended is None]
    finally:
        for played in playing:
            _close(played.environment)
        progress.bar.close()
    return [finished[world.id] for world in worlds]


def _play_turn(
    model: Model, playing: Sequence[_Played], asking: Asking, teacher: Teacher | None, pool: ThreadPoolExecutor
) -> int:
    """One turn of every unfinished episode. Returns the number of turns."""
    for played in playing:
        if played.episode.ended is None:
            played.prompt = asking.prompt(model, played.episode)
            played.prompt_tokens = model.count_tokens(played.prompt)
            if played.prompt_tokens + asking.tokens > model.context_length:
                played.episode = played.episode.end("context")
    acting = [played for played in playing if played.episode.ended is None]
    prompts = [played.prompt for played in acting]
    answers = model.generate(prompts, max_new_tokens=asking.tokens, stop=asking.stop) if prompts else []
    steps = list(pool.map(_step, acting, answers))
    turns = list(zip(acting, answers, steps, strict=True))
    comments = iter(_comments(teacher, turns))
    for played, answer, step in turns:
        if isinstance(step, EnvironmentFault):
            played.episode = played.episode.end("fault", str(step))
            continue
        feedback, tokens = ("", 0) if step.ended else next(comments)
        message = "" if step.ended else played.world.message(step, feedback)
        counts = {"prompt": played.prompt_tokens, "answer": answer.tokens}
        if teacher is not None:
            counts["feedback"] = tokens
        played.episode = played.episode.add(Turn(answer.text, answer.finish, step, feedback, message, counts))
    return len(turns)


def _comments(
    teacher: Teacher | None, turns: Sequence[tuple[_Played, Generation, Step | EnvironmentFault]]
) -> list[tuple[str, int]]:
    """The teacher's comment on each turn that did not end its episode, and its number of tokens."""
    going_on = [
        (played.episode.add(Turn(answer.text, answer.finish, step)), played.world.message(step, ""))
        for played, answer, step in turns
        if isinstance(step, Step) and step.ended is None
    ]
    return teacher.feedback(going_on) if teacher is not None and going_on else [("", 0)] * len(going_on)


def _open(world: World) -> _Played:
    """A fresh environment and its first messages; an episode that ended with `fault` if none opens."""
    last = ""
    for attempt in range(1, ATTEMPTS + 1):
        environment = None
        try:
            environment = world.open()
            return _Played(world, environment, Episode(world.id, environment.reset()))
        except EnvironmentFault as fault:
            last = str(fault)
            _close(environment)
            log.warning("%s: the environment failed (%d of %d): %s", world.id, attempt, ATTEMPTS, fault)
    return _Played(world, None, Episode(world.id, []).end("fault", last))


def _step(played: _Played, answer: Generation) -> Step | EnvironmentFault:
    """Act; after a fault of the environment, again in a fresh one that has gone through the earlier turns."""
    fault = EnvironmentFault("")
    for attempt in range(1, ATTEMPTS + 1):
        try:
            if played.environment is None:
                played.environment = _repeat(played.world, played.episode)
            return played.environment.step(answer.text)
        except EnvironmentFault as error:
            fault = error
            _close(played.environment)
            played.environment = None
            log.warning("%s: the environment failed (%d of %d): %s", played.world.id, attempt, ATTEMPTS, error)
    return fault


def _repeat(world: World, episode: Episode) -> Environment:
    """A fresh environment after the episode's turns. Raises `EnvironmentFault` if it answers otherwise this time."""
    environment = world.open()
    try:
        environment.reset()
        for number, turn in enumerate(episode.turns, 1):
            step = environment.step(turn.answer)
            if step != turn.step:
                before, now = turn.step.observation[:200], step.observation[:200]
                raise EnvironmentFault(f"turn {number} gave {now!r} when repeated, {before!r} before")
    except EnvironmentFault:
        _close(environment)
        raise
    return environment


def _close(environment: Environment | None) -> None:
    if environment is not None:
        with suppress(EnvironmentFault):
            environment.close()
