"""Compares this checkout with another one of the project, such as an older commit: CPU seconds for the same work.

    git worktree add /tmp/old COMMIT
    python benchmarks/commits.py /tmp/old [--models demo 7m 50m] [--work training scoring greedy sampled] [--rounds 12]

Needs a built demo. Each side is a process with its own code and numerics profile on one core. They take turns, one
repetition each, so that other load on the machine affects both alike. A ratio above 1 means that this one is faster.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO, Any

from training import ROOT, SHAPES, SIDE, environment, prepare, settings

ROWS = 16
WORK: dict[str, dict[str, Any]] = {
    "training": {"work": "training"},
    "scoring": {"work": "scoring", "rows": ROWS},
    "greedy": {"work": "generation", "temperature": 0.0, "rows": ROWS},
    "sampled": {"work": "generation", "temperature": 0.7, "rows": ROWS},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("other", type=Path, help="the other checkout")
    parser.add_argument("--models", nargs="+", default=list(SHAPES), choices=list(SHAPES))
    parser.add_argument("--work", nargs="+", default=list(WORK), choices=list(WORK))
    parser.add_argument("--rounds", type=int, default=12)
    arguments = parser.parse_args()
    print("| model | work | other, s | this, s | median ratio | quartiles |\n| --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as scratch:
        for model in arguments.models:
            folder = prepare(model, Path(scratch) / model)
            for work in arguments.work:
                compare(model, work, folder, arguments.other.resolve(), arguments.rounds)


def compare(model: str, work: str, folder: Path, other: Path, rounds: int) -> None:
    request = {**settings(folder), "threads": 1, "seconds": 0, "repeat": "lockstep", **WORK[work]}
    sides = [start({**request, "library": "lemur", "checkout": str(checkout)}) for checkout in (other, ROOT)]
    pairs = [[seconds(side) for side in sides] for _ in range(rounds)]
    for side in sides:
        side.communicate()
    before, after = (statistics.median(column) for column in zip(*pairs, strict=True))
    ratios = sorted(old / new for old, new in pairs)
    spread = f"{ratios[rounds // 4]:.2f} to {ratios[-1 - rounds // 4]:.2f}"
    print(f"| {model} | {work} | {before:.3f} | {after:.3f} | {statistics.median(ratios):.2f} | {spread} |", flush=True)


def start(request: dict[str, Any]) -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        [sys.executable, SIDE, json.dumps(request)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment(),
        encoding="utf-8",
    )
    _pipe(process.stdout).readline()  # it has compiled and warmed up
    return process


def seconds(side: "subprocess.Popen[str]") -> float:
    stdin = _pipe(side.stdin)
    stdin.write("\n")
    stdin.flush()
    return float(_pipe(side.stdout).readline())


def _pipe(pipe: IO[str] | None) -> IO[str]:
    assert pipe is not None
    return pipe


if __name__ == "__main__":
    main()
