"""A game: a room, a task and commands in words. Two engines play it behind the same members."""

from pathlib import Path
from typing import Literal, Protocol

from lemur.agents.household.game_file import read_game_file
from lemur.agents.household.household_game import HouseholdGame
from lemur.agents.household.textworld_game import TextworldGame

Engine = Literal["household", "textworld"]
STEPS = 50
"""Commands until a game ends unwon (MINT's base_config.yaml: max_nb_steps_per_episode)."""


class Game(Protocol):
    """`engine`: which one plays it; belongs in every result. `opening`: the room and the task. `puts`: the form of the
    command that puts an object down. `done` without `won`: the commands ran out."""

    engine: str
    opening: str
    puts: str
    steps: int
    done: bool
    won: bool

    def command(self, text: str) -> str:
        """What follows from a command: a text, also for what is no command. After the end, the last text again, and
        nothing changes. Raises `EnvironmentFault` if the engine fails."""
        ...

    def close(self) -> None:
        """Free what the game holds. May be called at any time, also twice."""
        ...


def open_game(path: Path, sha256: str | None = None, *, engine: Engine = "household", steps: int = STEPS) -> Game:
    """Start the game in `path`, a file game.tw-pddl or the folder that has it.

    Raises `ValueError` if it is not a game or its checksum is not `sha256`, and `EnvironmentFault` if the engine fails;
    `textworld_game.why_missing` says beforehand whether the engine textworld is installed.
    """
    file = read_game_file(path, sha256)
    return TextworldGame(file, steps) if engine == "textworld" else HouseholdGame(file, steps)
