"""MINT's tools: each is one command, and takes anything that a model's code may pass."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lemur.agents.household.game import open_game
from lemur.agents.household.tools import DESCRIPTION, LONGEST_COMMAND, tools, without_arrival
from tests.agents.household.conftest import BUNDLED

House = Callable[[str], Path]


class Listener:
    """A game that keeps the commands."""

    engine, opening, steps, done, won = "none", "", 0, False, False

    def __init__(self, puts: str = "put {} in/on {}") -> None:
        self.puts = puts
        self.commands: list[str] = []

    def command(self, text: str) -> str:
        self.commands.append(text)
        return f"You arrive at loc 7. {text}"

    def close(self) -> None:
        pass


@pytest.mark.parametrize(
    ("tool", "arguments", "command"),
    [
        ("put", ("mug 1", "desk 2"), "put mug 1 in/on desk 2"),
        ("goto", ("drawer 1",), "go to drawer 1"),
        ("take_from", ("mug 1", "shelf 2"), "take mug 1 from shelf 2"),
        ("open_receptacle", ("fridge 1",), "open fridge 1"),
        ("toggle", ("light 2",), "toggle light 2"),
        ("close_receptacle", ("microwave 1",), "close microwave 1"),
        ("clean", ("cloth 1", "sinkbasin 1"), "clean cloth 1 with sinkbasin 1"),
        ("heat", ("egg 1", "microwave 1"), "heat egg 1 with microwave 1"),
        ("cool", ("bottle 1", "fridge 1"), "cool bottle 1 with fridge 1"),
        ("use", ("lamp 1",), "use lamp 1"),
        ("look", (), "look"),
    ],
)
def test_a_tool_is_one_command(tool: str, arguments: tuple[str, ...], command: str) -> None:
    game = Listener()
    functions = tools(game)
    assert list(functions)[int(DESCRIPTION.split(f"] {tool}(")[0].rsplit("[", 1)[1]) - 1] == tool
    assert functions[tool](*arguments) == command  # where the agent stands is hidden
    assert game.commands == [command]


def test_the_arguments_have_mints_names() -> None:
    functions = tools(game := Listener())
    functions["put"](object="mug 1", receptacle="desk 2")
    functions["toggle"](object_or_receptacle="lamp 1")
    assert game.commands == ["put mug 1 in/on desk 2", "toggle lamp 1"]


def test_put_is_move_in_newer_games() -> None:
    tools(game := Listener("move {} to {}"))["put"]("mug 1", "desk 2")
    assert game.commands == ["move mug 1 to desk 2"]


@pytest.mark.parametrize(
    "argument",
    [
        "drawer 1\nlook",
        "drawer\x001",
        "drawer\u20281",
        "x" * 10**7,
        "drawer 1" + " " * 10**6 + "x",
        "{0.__class__}" * 20,
    ],
)
def test_hostile_arguments_are_no_command(argument: str) -> None:
    tools(game := Listener())["goto"](argument)
    (command,) = game.commands
    assert command == "" and len(command) <= LONGEST_COMMAND


@pytest.mark.parametrize("argument", [None, 3, 2.5, True, ["drawer 1"], {"a": "b"}, "", "{receptacle}", "{}"])
def test_what_is_no_string_or_names_nothing_does_nothing(argument: Any, house: House) -> None:
    game = open_game(house("Cup"))
    assert tools(game)["goto"](argument) == "Nothing happens."
    assert game.steps == 1


@given(st.sampled_from(sorted(tools(Listener()))), st.lists(st.text(max_size=60), min_size=2, max_size=2))
def test_any_text_has_an_answer_and_counts(tool: str, words: list[str]) -> None:
    game = open_game(next(BUNDLED.glob("*Cup*/*")))
    count = {"look": 0, "put": 2, "take_from": 2, "clean": 2, "heat": 2, "cool": 2}.get(tool, 1)
    assert tools(game)[tool](*words[:count])
    assert game.steps == 1


def test_only_the_old_form_of_an_arrival_is_hidden() -> None:
    assert without_arrival("You arrive at loc 12. The fridge 1 is closed.") == "The fridge 1 is closed."
    assert without_arrival("You arrive at fridge 1. The fridge 1 is closed.") == (
        "You arrive at fridge 1. The fridge 1 is closed."
    )


def test_the_description_is_that_of_the_published_trajectories() -> None:
    folder = os.environ.get("LEMUR_MIRROR")
    if not folder:
        pytest.skip("LEMUR_MIRROR is not set, so there are no published trajectories")
    logs = Path(folder, "mint/outputs_lemur-70b-chat-v1/F=None/max5_p2+tool+cd/decision_making/alfworld/results.jsonl")
    with logs.open(encoding="utf-8") as lines:
        prompts = [json.loads(line)["state"]["history"][0]["content"] for line in lines]
    before = "Tool function available (already imported in <execute> environment):\n"
    assert len(prompts) == 134
    assert all(f"{before}{DESCRIPTION}\n\n\n---\n" in prompt for prompt in prompts)
