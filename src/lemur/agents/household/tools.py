"""MINT's tools for ALFWorld: functions that a model's code calls, each of which is one command of the game.

After Wang et al. 2023, mint/tools/alfworld.py: same names, arguments and commands.
"""

from collections.abc import Callable

from lemur.agents.household.game import Game

DESCRIPTION = """\
[1] put(object: str, receptacle: str) -> str
Put an object in/on a receptacle.
For example: put("mug 1", "desk 2")

[2] goto(receptacle: str) -> str
Go to a location of the receptacle.
For example: goto("drawer 1")

[3] take_from(object: str, receptacle: str) -> str
Take an object from a receptacle.
For example: take_from("mug 1", "shelf 2")

[4] open_receptacle(receptacle: str) -> str
Open a receptacle.
For example: open_receptacle("fridge 1")

[5] toggle(object_or_receptacle: str) -> str
Toggle an object or receptacle.
For example: toggle("light 2")

[6] close_receptacle(receptacle: str) -> str
Close a receptacle.
For example: close_receptacle("microwave 1")

[7] clean(object: str, receptacle: str) -> str
Clean an object with a receptacle.
For example: clean("cloth 1", "sinkbasin 1")

[8] heat(object: str, receptacle: str) -> str
Heat an object with a receptacle.
For example: heat("egg 1", "microwave 1")

[9] cool(object: str, receptacle: str) -> str
Cool an object with a receptacle.
For example: cool("bottle 1", "fridge 1")

[10] use(receptacle: str) -> str
Use a receptacle.
For example: use("lamp 1")

[11] look() -> str
Look around. It will return what you see in the room.
For example: look()
"""
"""How MINT's first message describes the tools, to the letter (published trajectories)."""

LONGEST_COMMAND = 200
"""Characters; the longest of the 134 games' own commands has fewer than 60."""


def tools(game: Game) -> dict[str, Callable[..., str]]:
    """The functions by name. Their arguments come from a model's code and may be anything: what is no command of the
    game has the answer "Nothing happens." and counts as a command. Raises `EnvironmentFault` like `Game.command`."""

    def put(object: object, receptacle: object) -> str:
        return _do(game, game.puts, object, receptacle)

    def goto(receptacle: object) -> str:
        return _do(game, "go to {}", receptacle)

    def take_from(object: object, receptacle: object) -> str:
        return _do(game, "take {} from {}", object, receptacle)

    def open_receptacle(receptacle: object) -> str:
        return _do(game, "open {}", receptacle)

    def toggle(object_or_receptacle: object) -> str:
        # No game has this command.
        return _do(game, "toggle {}", object_or_receptacle)

    def close_receptacle(receptacle: object) -> str:
        return _do(game, "close {}", receptacle)

    def clean(object: object, receptacle: object) -> str:
        return _do(game, "clean {} with {}", object, receptacle)

    def heat(object: object, receptacle: object) -> str:
        return _do(game, "heat {} with {}", object, receptacle)

    def cool(object: object, receptacle: object) -> str:
        return _do(game, "cool {} with {}", object, receptacle)

    def use(receptacle: object) -> str:
        return _do(game, "use {}", receptacle)

    def look() -> str:
        return _do(game, "look")

    functions = (put, goto, take_from, open_receptacle, toggle, close_receptacle, clean, heat, cool, use, look)
    return {function.__name__: function for function in functions}


def _do(game: Game, form: str, *arguments: object) -> str:
    # TextWorld ignores spaces and line breaks around a command.
    command = form.format(*(str(argument)[: 2 * LONGEST_COMMAND] for argument in arguments)).strip()
    if len(command) > LONGEST_COMMAND or not command.isprintable():
        command = ""
    return without_arrival(game.command(command))


def without_arrival(text: str) -> str:
    """MINT hides where the agent stands, in the texts of games before ALFWorld 0.4."""
    return text.partition(". ")[2] if text.startswith("You arrive at loc ") else text
