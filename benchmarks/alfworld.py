"""ALFWorld's two engines compared with bare TextWorld on the 134 games' plans and on random walks (LEMUR_MIRROR, `make agents`).

    python benchmarks/alfworld.py [GAMES [WALKS]]    so many games, evenly spread (all), and so many walks in each (0)

Prints a table: games won, texts equal to bare TextWorld's, seconds.
"""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))
from lemur.agents.household.game import Game, open_game
from lemur.agents.household.plan import play_plan, read_plan
from lemur.agents.household.textworld_game import ENVIRONMENT
from lemur.core import workers

GAMES = Path(os.environ["LEMUR_MIRROR"], "mint/processed/alfworld/json_2.1.1/valid_unseen")
Outcome = tuple[list[str], bool, bool]
"""What the game said, done, won."""


class Recorder:
    """Plays nothing, and keeps the commands."""

    engine, opening, steps, done, won = "none", "", 0, False, False

    def __init__(self, puts: str) -> None:
        self.puts = puts
        self.commands: list[str] = []

    def command(self, text: str) -> str:
        self.commands.append(text)
        return ""

    def close(self) -> None:
        pass


def planned(path: Path) -> list[str]:
    recorder = Recorder("put {} in/on {}")
    play_plan(recorder, read_plan(path.with_name("gt_traj.txt").read_text(encoding="utf-8")))
    return recorder.commands


def walked(path: Path, seed: int) -> list[str]:
    """Fifty commands, possible and impossible ones."""
    generator, game = Random(f"{path.parent.parent.name}/{seed}"), open_game(path)
    rooms = re.findall(r"an? (\w+ \d+)", game.opening)
    commands: list[str] = []
    place, text, held = rooms[0], "", "mug 1"
    for _ in range(50):
        things = re.findall(r"an? (\w+ \d+)", text) or [held]
        thing, other = generator.choice(things), generator.choice(rooms)
        with_what = generator.choice([place, place, place, other])
        options = [
            (8, f"go to {other}"),
            (5, f"open {with_what}"),
            (1, f"close {with_what}"),
            (6, f"take {thing} from {with_what}"),
            (4, game.puts.format(generator.choice([held, thing]), with_what)),
            (2, f"examine {generator.choice([place, thing, held])}"),
            (1, f"use {generator.choice([thing, 'desklamp 1'])}"),
            (3, f"{generator.choice(['clean', 'heat', 'cool', 'slice'])} {held} with {with_what}"),
            (1, f"slice {thing} with {held}"),
            (2, generator.choice(["look", "inventory", " look ", "Look", "wait", f"toggle {thing}", f"put {held} in {place}"])),
        ]
        command = generator.choices([each for _, each in options], [weight for weight, _ in options])[0]
        text = game.command(command)
        commands.append(command)
        if "Nothing happens" not in text:
            place = other if command.startswith("go to") else place
            held = thing if command.startswith("take") else held
    return commands


def played(engine: Callable[[Path], Game]) -> Callable[[tuple[Path, list[str]]], Outcome]:
    def play(task: tuple[Path, list[str]]) -> Outcome:
        game = engine(task[0])
        texts = [game.opening, *(game.command(command) for command in task[1])]
        game.close()
        return texts, game.done, game.won

    return play


def main(count: int, walks: int) -> None:
    files = sorted(GAMES.glob("*/*/game.tw-pddl"))
    files = files[:: len(files) // count][:count]
    tasks = [(file, planned(file)) for file in files] + [(file, walked(file, n)) for file in files for n in range(walks)]
    bare = subprocess.run(
        [ENVIRONMENT / "bin/python", "-P", "-W", "ignore", Path(__file__).with_name("alfworld_bare.py")],
        input=json.dumps([(str(file), commands) for file, commands in tasks]),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        encoding="utf-8",
        check=True,
    )
    answer = json.loads(bare.stdout)
    expected = [(["\n".join(texts[0].split("\n\n")[1:]), *texts[1:]], done, won) for texts, done, won in answer["games"]]
    report("bare textworld, 1 process", expected, expected, len(files), answer["seconds"])
    for engine in ("textworld", "household"):
        start = time.perf_counter()
        with ThreadPoolExecutor(workers.count() if engine == "textworld" else 1) as pool:
            outcomes = list(pool.map(played(lambda path: open_game(path, engine=engine)), tasks))  # noqa: B023
        seconds = time.perf_counter() - start
        report(f"{engine}, {workers.count() if engine == 'textworld' else 1} processes", outcomes, expected, len(files), seconds)
        for (file, commands), outcome, right in zip(tasks, outcomes, expected, strict=True):
            for number, pair in enumerate(zip(outcome[0], right[0], strict=True)):
                if pair[0] != pair[1]:
                    print(f"  {file.parent.parent.name} {commands[number - 1]!r}: {pair[0]!r}, not {pair[1]!r}")
                    break


def report(name: str, outcomes: list[Outcome], expected: list[Outcome], plans: int, seconds: float) -> None:
    def equal(part: slice) -> str:
        pairs = [
            pair
            for outcome, right in zip(outcomes[part], expected[part], strict=True)
            for pair in zip(outcome[0], right[0], strict=True)
        ]
        return f"{sum(a == b for a, b in pairs)}/{len(pairs)}"

    won = sum(outcome[2] for outcome in outcomes[:plans])
    ends = sum(outcome[1:] == right[1:] for outcome, right in zip(outcomes, expected, strict=True))
    print(
        f"{name}: {won} of {plans} plans won; texts equal: plans {equal(slice(0, plans))}, walks {equal(slice(plans, None))}; "
        f"ends equal {ends}/{len(outcomes)}; {seconds:.1f} s",
        flush=True,
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 134, int(sys.argv[2]) if len(sys.argv) > 2 else 0)
