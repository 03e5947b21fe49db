"""Where the CPU time of training, held-out loss, scoring and generation goes, by kind of operation. Needs a built demo.

    python benchmarks/time_spent.py [--models demo 50m] [--work training heldout scoring greedy sampled]

One repetition of each, as in training.py and commits.py, on one core, traced by `jax.profiler`. Prints a Markdown table
in per cent; the last column names the three operations that take most of `others`.
"""

import argparse
import re
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from commits import ROWS, WORK
from training import prepare, settings, side

ALL: dict[str, dict[str, Any]] = {**WORK, "heldout": {"work": "heldout", "rows": ROWS}}
# By the beginning of an operation's name in the compiled program, without its number.
KINDS = {
    "products": r"ynn_fusion|dot",
    "turned arrays, copies": r".*(transpose|copy|bitcast)",
    "slices, updates": r".*(slice|concatenate|pad|gather|scatter)",
    "random numbers": r".*(threefry|rng|xor|shift)",
}
CONTAINERS = r"while|call|conditional"  # their operations are in the trace too


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["demo", "50m"])
    parser.add_argument("--work", nargs="+", default=list(ALL), choices=list(ALL))
    arguments = parser.parse_args()
    columns = ["work", "model", "ms", *KINDS, "others", "most of them"]
    print(f"| {' | '.join(columns)} |\n|{' --- |' * len(columns)}", flush=True)
    with tempfile.TemporaryDirectory() as scratch:
        for model in arguments.models:
            folder = prepare(model, Path(scratch) / model)
            for work in arguments.work:
                request = {**settings(folder), "threads": 1, "seconds": 0, "repeat": "traced", "library": "lemur"}
                print_row(work, model, side({**request, **ALL[work]}, Path(sys.executable)))


def print_row(work: str, model: str, nanoseconds: dict[str, float]) -> None:
    spent: Counter[str] = Counter()
    for name, duration in nanoseconds.items():
        spent[re.sub(r"[.\d]+$", "", name)] += duration
    spent = Counter({name: duration for name, duration in spent.items() if not re.match(CONTAINERS, name)})
    total = sum(spent.values())
    kinds: Counter[str] = Counter()
    others: Counter[str] = Counter()
    for name, duration in spent.items():
        kind = next((kind for kind, pattern in KINDS.items() if re.match(pattern, name)), "others")
        kinds[kind] += duration
        if kind == "others":
            others[name] += duration
    most = ", ".join(f"{name} {100 * duration / total:.0f}" for name, duration in others.most_common(3))
    shares = [f"{100 * kinds[kind] / total:.0f}" for kind in (*KINDS, "others")]
    print(f"| {' | '.join([work, model, f'{total / 1e6:,.0f}', *shares, most])} |", flush=True)


if __name__ == "__main__":
    main()
