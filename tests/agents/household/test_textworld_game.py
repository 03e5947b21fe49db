"""The real engine: equal to ours, the same in each process, and its failures are not the model's."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lemur.agents.episodes.environment import EnvironmentFault
from lemur.agents.household import textworld_game
from lemur.agents.household.game import open_game
from lemur.agents.household.plan import play_plan, read_plan
from lemur.agents.household.textworld_game import SCRIPT

House = Callable[[str], Path]
SCRIPTS = {
    "ends": "raise SystemExit",
    "ends with a message": "raise SystemExit('no such game engine')",
    "says nothing": "import time; time.sleep(60)",
    "says what is no JSON": "print('hello', flush=True); import time; time.sleep(60)",
    "never ends a line": "import sys\nwhile True: sys.stdout.write('x' * 65536)",
    "reports an error": 'import sys\nfor line in sys.stdin: print(\'{"error": "bad game"}\', flush=True)',
}
PLAYS = """
import json, os, sys
for line in sys.stdin:
    request = json.loads(line)
    if request.get("command") == "die": os._exit(3)
    print(json.dumps({"text": "Hi\\n\\nA room.\\n\\nA task.", "done": False, "won": False}), flush=True)
"""


@pytest.fixture
def engine_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Makes a script the engine."""
    textworld_game.stop()
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/python").symlink_to(sys.executable)
    monkeypatch.setattr(textworld_game, "ENVIRONMENT", tmp_path)
    monkeypatch.setattr(textworld_game, "SCRIPT", tmp_path / "server.py")
    monkeypatch.setattr(textworld_game, "why_missing", lambda: None)
    monkeypatch.setenv("LEMUR_WORKERS", "1")
    yield lambda code: (tmp_path / "server.py").write_text(code, encoding="utf-8") and None
    textworld_game.stop()


@pytest.mark.parametrize("behaviour", SCRIPTS)
def test_an_engine_that_fails_is_a_fault_of_the_environment(
    behaviour: str, engine_of: Callable[[str], None], house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(textworld_game, "OPEN_S", 2)
    monkeypatch.setattr(textworld_game, "COMMAND_S", 1)
    engine_of(SCRIPTS[behaviour])
    with pytest.raises(EnvironmentFault, match=r"^textworld: "):
        open_game(house("Cup"), engine="textworld")


def test_an_engine_that_dies_takes_its_games_along_and_the_next_game_has_a_new_one(
    engine_of: Callable[[str], None], house: House
) -> None:
    engine_of(PLAYS)
    first, second = (open_game(house("Cup"), engine="textworld") for _ in range(2))
    assert first.opening == "A room.\nA task."
    with pytest.raises(EnvironmentFault):
        first.command("die")
    with pytest.raises(EnvironmentFault):
        second.command("look")
    first.close()
    second.close()
    second.close()
    assert open_game(house("Cup"), engine="textworld").command("look")


def test_a_missing_engine_says_how_to_install_it(tmp_path: Path, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    textworld_game.stop()
    monkeypatch.setattr(textworld_game, "REQUIREMENTS", tmp_path / "absent.txt")
    assert textworld_game.why_missing() == "its libraries are not installed (make absent)"
    with pytest.raises(EnvironmentFault, match="make absent"):
        open_game(house("Cup"), engine="textworld")


@pytest.mark.slow
def test_both_engines_say_the_same(engine: None, games: list[Path]) -> None:
    for path in games[::30]:
        calls = read_plan(path.with_name("gt_traj.txt").read_text(encoding="utf-8"))
        ours, real = open_game(path, engine="household"), open_game(path, engine="textworld")
        assert ours.opening == real.opening
        for command in ["look", "inventory", f"put x in/on {calls[0].arguments[0]}"]:
            assert ours.command(command) == real.command(command)
        assert play_plan(ours, calls) == play_plan(real, calls)
        assert (ours.won, ours.done, ours.steps) == (real.won, real.done, real.steps) == (True, True, ours.steps)
        assert ours.command("look") == real.command("look")  # after the end
        real.close()


@pytest.mark.slow
def test_two_processes_say_the_same_whatever_the_hash_seed(engine: None, games: list[Path]) -> None:
    """alfworld#14, #72."""
    requests = f'{{"open": 1, "file": "{games[0]}", "steps": 50}}\n{{"game": 1, "command": "go to desk 1"}}\n'
    said = {
        subprocess.run(
            [textworld_game.ENVIRONMENT / "bin/python", "-P", SCRIPT],
            input=requests.encode(),
            env={"PATH": os.environ["PATH"], "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("0", "1")
    }
    (replies,) = said
    assert b"You arrive at loc" in replies


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_133_of_134_plans_win(engine: None, games: list[Path]) -> None:
    lost = []
    for path in games:
        calls = read_plan(path.with_name("gt_traj.txt").read_text(encoding="utf-8"))
        game = open_game(path, engine="textworld")
        play_plan(game, calls)
        if not game.won:
            lost.append((len(calls), game.steps, game.done))
        game.close()
    assert lost == [(54, 50, True)]
