"""A game's file, `game.tw-pddl` of ALFWorld: JSON with a PDDL problem, whether it can be won, and its own texts."""

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path

NAME = "game.tw-pddl"
_TASK = re.compile(r'"rhs"\s*:\s*"Your task is to: ((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True)
class GameFile:
    path: Path
    problem: str
    task: str
    puts: str
    """The command that puts an object down: with ALFWorld 0.4 "put" became "move" (alfworld#96, #106)."""

    @property
    def is_new(self) -> bool:
        """Whether it has the texts of ALFWorld 0.4."""
        return self.puts.startswith("move")


def read_game_file(path: Path, sha256: str | None = None) -> GameFile:
    """The game in `path`, a file or the folder that has it. Raises `ValueError` if it is not a game or if its checksum
    is not `sha256`."""
    path = path / NAME if path.is_dir() else path
    content = path.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if sha256 is not None and found != sha256:
        raise ValueError(
            f"{path}: its sha256 is {found}, not {sha256}; fetch the games again (dvc repro fetch@alfworld)"
        )
    try:
        game = json.loads(content)
        problem, grammar = game["pddl_problem"], game["grammar"]
        task = _TASK.search(grammar)
        if task is None:
            raise ValueError('its grammar has no rule "Your task is to: ..."')
        sentence = json.loads(f'"{task[1]}"')
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is not a game of ALFWorld ({error}); it needs pddl_problem and grammar") from None
    puts = "move {} to {}" if "move {o} to {r}" in grammar else "put {} in/on {}"
    return GameFile(path, problem, sentence, puts)
