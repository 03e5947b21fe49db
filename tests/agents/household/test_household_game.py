"""Our own engine on the bundled games: rules, texts, the end of a game."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lemur.agents.household.game import Game, open_game
from lemur.agents.household.game_file import read_game_file
from lemur.agents.household.plan import play_plan, read_plan
from lemur.core.files import ROOT
from tests.agents.household.conftest import BUNDLED

House = Callable[[str], Path]
NOTHING = "Nothing happens."


def plan(folder: Path) -> list:
    return read_plan((folder / "gt_traj.txt").read_text(encoding="utf-8"))


def say(game: Game, *commands: str) -> str:
    """What the game says to the last of the commands."""
    return [game.command(command) for command in commands][-1]


@pytest.mark.parametrize("folder", sorted(BUNDLED.glob("*/*")), ids=lambda folder: folder.parent.name)
def test_the_plan_wins_and_the_game_says_what_the_plan_records(folder: Path) -> None:
    calls = plan(folder)
    game = open_game(folder)
    assert play_plan(game, calls) == [call.observation for call in calls]
    assert (game.won, game.done, game.steps) == (True, True, len(calls))


@pytest.mark.parametrize("folder", sorted(BUNDLED.glob("*/*")), ids=lambda folder: folder.parent.name)
def test_the_plan_without_its_last_or_in_the_wrong_order_does_not_win(folder: Path) -> None:
    calls = plan(folder)
    for wrong in (calls[:-1], calls[::-1]):
        game = open_game(folder)
        play_plan(game, wrong)
        assert not game.won and not game.done


def test_fifty_commands_end_a_game_unwon(house: House) -> None:
    """MINT counts this as success (`done`), which it is not (alfworld#51): paper success, strict failure."""
    game = open_game(house("Apple"))
    for _ in range(49):
        game.command("look")
    assert not game.done
    game.command("wait")
    assert game.done and not game.won and game.steps == 50


def test_after_the_end_a_game_repeats_its_last_text(house: House) -> None:
    game = open_game(house("Cup"))
    *_, last = play_plan(game, plan(house("Cup")))
    assert say(game, "look", "go to fridge 1", "take cup 1 from cabinet 3") == last
    assert (game.won, game.steps) == (True, 7)


def test_the_opening(house: House) -> None:
    game = open_game(house("Cup"))
    assert game.opening == (
        "You are in the middle of a room. Looking quickly around you, you see a cabinet 3, a cabinet 2, a cabinet 1, a "
        "countertop 2, a countertop 1, a diningtable 1, a drawer 2, a drawer 1, a fridge 1, a garbagecan 1, a "
        "microwave 1, and a sinkbasin 1.\nYour task is to: put a clean cup in cabinet."
    )


def test_what_each_command_says(house: House) -> None:
    """The texts are those of TextWorld with ALFWorld's grammar (test_textworld_game.py compares them)."""
    game = open_game(house("Tomato"))
    for command, text in [
        ("look", "You are in the middle of a room. Looking quickly around you, you see nothing."),
        ("inventory", "You are not carrying anything."),
        ("go to fridge 1", "You arrive at loc 5. The fridge 1 is closed."),
        ("go to fridge 1", NOTHING),
        ("examine fridge 1", "The fridge 1 is closed."),
        ("close fridge 1", NOTHING),
        ("take tomato 1 from fridge 1", NOTHING),
        (
            "open fridge 1",
            "You open the fridge 1. The fridge 1 is open. In it, you see a apple 1, a egg 1, and a tomato 1.",
        ),
        ("open fridge 1", NOTHING),
        ("examine apple 1", NOTHING),  # only what is held can be examined
        ("take apple 1 from fridge 1", "You pick up the apple 1 from the fridge 1."),
        ("take egg 1 from fridge 1", NOTHING),  # the hands are full
        (" inventory ", "You are carrying: a apple 1."),
        ("Inventory", NOTHING),
        ("examine apple 1", "There's nothing special about apple 1."),
        ("look", "You are facing the fridge 1. Next to it, you see nothing."),
        ("cool apple 1 with fridge 1", "You cool the apple 1 using the fridge 1."),
        ("examine apple 1", "This is a cold apple 1."),
        ("heat apple 1 with fridge 1", NOTHING),
        ("go to microwave 1", "You arrive at loc 3. The microwave 1 is closed."),
        ("heat apple 1 with microwave 1", "You heat the apple 1 using the microwave 1."),
        ("examine apple 1", "This is a hot apple 1."),
        ("put apple 1 in/on microwave 1", NOTHING),  # it is closed
        ("go to sinkbasin 1", "You arrive at loc 2. On the sinkbasin 1, you see a cup 1, and a fork 1."),
        ("clean apple 1 with sinkbasin 1", "You clean the apple 1 using the sinkbasin 1."),
        ("examine apple 1", "This is a hot and clean apple 1."),
        ("put apple 1 in sinkbasin 1", NOTHING),  # "in/on" in that form only (alfworld#78)
        ("put apple 1 on sinkbasin 1", NOTHING),
        ("move apple 1 to sinkbasin 1", NOTHING),  # of newer games
        ("put apple 1 in/on sinkbasin 1", "You put the apple 1 in/on the sinkbasin 1."),
        ("toggle sinkbasin 1", NOTHING),  # a tool of MINT's without a command
        ("use cup 1", NOTHING),
        ("examine sinkbasin 1", "On the sinkbasin 1, you see a apple 1, a cup 1, and a fork 1."),
        ("slice apple 1 with fork 1", NOTHING),
    ]:
        assert (command, game.command(command)) == (command, text)


def test_an_object_that_changes_its_receptacle_at_one_place_lies_next_to_it(tmp_path: Path, house: House) -> None:
    """TextWorld's way, because "no longer in" is a fact of its own there."""
    game = json.loads((house("Pen") / "game.tw-pddl").read_text(encoding="utf-8"))
    problem = game["pddl_problem"]
    first, second = ("(receptacleAtLocation Shelf_bar_01 loc_bar_11)", "(receptacleAtLocation Shelf_bar_02 loc_bar_10)")
    assert first in problem and second in problem
    game["pddl_problem"] = problem.replace(second, second.replace("loc_bar_10", "loc_bar_11"))
    (tmp_path / "game.tw-pddl").write_text(json.dumps(game), encoding="utf-8")
    changed = open_game(tmp_path)
    say(changed, "go to shelf 3", "take watch 1 from shelf 3", "put watch 1 in/on shelf 2")
    assert say(changed, "look") == "You are facing the shelf 3, and shelf 2. Next to it, you see a watch 1."
    assert say(changed, "go to shelf 2") == NOTHING  # the agent is there


def test_games_since_alfworld_0_4_say_move(tmp_path: Path, house: House) -> None:
    """alfworld#96, #106: `put` became `move`, and arriving names the receptacle."""
    game = json.loads((house("Apple") / "game.tw-pddl").read_text(encoding="utf-8"))
    game["grammar"] += 'action PutObject { template :: "move {o} to {r}"; feedback :: "#PutObject.feedback#"; }'
    (tmp_path / "game.tw-pddl").write_text(json.dumps(game), encoding="utf-8")
    new = open_game(tmp_path)
    assert say(new, "go to diningtable 1").startswith("You arrive at diningtable 1. On the diningtable 1, you see")
    say(new, "take apple 2 from diningtable 1", "go to garbagecan 1")
    assert say(new, "put apple 2 in/on garbagecan 1") == NOTHING
    assert say(new, "move apple 2 to garbagecan 1") == "You move the apple 2 to the garbagecan 1."
    assert new.won


def test_texts_do_not_depend_on_the_hash_seed() -> None:
    """alfworld#14, #72: the order of what is seen changed from process to process."""
    code = (
        "from pathlib import Path; from lemur.agents.household.game import open_game\n"
        f"for folder in sorted(Path({str(BUNDLED)!r}).glob('*/*')):\n"
        "    game = open_game(folder); print(game.opening, *map(game.command, ['go to countertop 1', 'go to desk 1']))"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONPATH": str(ROOT / "src"), "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("0", "1", "2")
    }
    assert len(said) == 1


def test_a_game_is_checked_by_its_hash(house: House) -> None:
    path = house("Cup") / "game.tw-pddl"
    with pytest.raises(ValueError, match=r"its sha256 is [0-9a-f]{64}, not 00; fetch the games again"):
        open_game(path, "00")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[", "is not a game of ALFWorld"),
        ("[]", "is not a game of ALFWorld"),
        ('{"pddl_problem": "()", "grammar": "no task"}', "its grammar has no rule"),
    ],
)
def test_what_is_no_game_is_refused(content: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "game.tw-pddl").write_text(content, encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        read_game_file(tmp_path)


def test_all_of_mints_games(games: list[Path]) -> None:
    """133 of 134 plans win; one needs 54 commands. The games say what the plans record, with one exception: a plan
    goes to a shelf at which the agent already is."""
    lost, differing = [], []
    for path in games:
        calls = plan(path.parent)
        game = open_game(path)
        said = play_plan(game, calls)
        if not game.won:
            lost.append((len(calls), game.steps, game.done))
        differing += [text for call, text in list(zip(calls, said, strict=True))[:50] if text != call.observation]
    assert len(games) == 134
    assert lost == [(54, 50, True)]
    assert differing == [NOTHING]
