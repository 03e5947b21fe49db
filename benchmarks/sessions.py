"""Compares the start of a Python session, until its first cell is answered, with a bare IPython shell.

    python benchmarks/sessions.py [--rounds 20]

Both run the same interpreter and libraries and print `Out[1]: 1`; the bare one has no sandbox. They take turns; the
medians give the ratio. Exits with status 1 above 1.2 times the bare time.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))
BOUND = 1.2

from lemur import sandbox  # noqa: E402
from lemur.sandbox.sessions.session import Session  # noqa: E402

BARE = "from IPython.core.interactiveshell import InteractiveShell; InteractiveShell.instance(colors='NoColor').run_cell('1', store_history=True)"


def bare() -> str:
    done = subprocess.run(
        [sys.executable, "-c", BARE],
        env={"PATH": os.environ["PATH"], "HOME": "/tmp", "LANG": "C.UTF-8"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
    )
    return done.stdout


def session() -> str:
    with Session({}) as fresh:
        return fresh.run("1").text


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20)
    arguments = parser.parse_args()
    ways = {"bare": bare, "session": session}
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(arguments.rounds + 2):
        for name, way in ways.items():
            start = time.perf_counter()
            if way() != "Out[1]: 1\n":
                print(f"{name} does not answer")
                return 1
            if number >= 2:  # the first rounds fill the page cache and choose the mechanism
                seconds[name].append(time.perf_counter() - start)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    ratio = medians["session"] / medians["bare"]
    print(
        f"{sandbox.layers().mechanism}, medians of {arguments.rounds} rounds: bare {1000 * medians['bare']:.0f} ms, "
        f"session {1000 * medians['session']:.0f} ms until its end: {ratio:.2f} times (bound {BOUND})"
    )
    return int(ratio > BOUND)


if __name__ == "__main__":
    sys.exit(main())
