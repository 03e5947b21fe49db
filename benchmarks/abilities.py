"""Prints a Markdown table of a model's scores next to the published ones of SmolLM2-135M-Instruct.

make abilities                  # or: python benchmarks/abilities.py reports/eval/base
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))
from lemur.reporting.scores import METRICS

# Model card of SmolLM2-135M-Instruct (lighteval); it has no scores for the other benchmarks.
PUBLISHED = {
    "mmlu": "29.3 (cloze: the likeliest answer text, no shots)",
    "bbh": "28.2 (3 shots, the likeliest of the given options)",
    "gsm8k": "1.4 (5 shots)",
}


def row(task: str, result: dict[str, Any]) -> str:
    """One line of the table."""
    scores = result["results"][task]
    if "skipped" in scores:
        return f"| {task} | | skipped: {scores['skipped']} | {PUBLISHED.get(task, '')} | |"
    samples, counts = result["n-samples"][task], result["counts"][task]
    texts = []
    for rule, label in {"none": "", "paper": "paper ", "strict": "strict "}.items():
        value, error = (scores.get(f"{METRICS[task]}{kind},{rule}") for kind in ("", "_stderr"))
        if value is not None:
            texts.append(f"{label}{100 * value:.1f}" + ("" if error is None else f" ± {100 * error:.1f}"))
    problems = ", ".join(f"{name} {count}" for name, count in counts.items() if count)
    items = f"{samples['effective']:,} of {samples['original']:,}"
    return f"| {task} | {items} | {'; '.join(texts)} | {PUBLISHED.get(task, '')} | {problems} |"


def main(folder: Path) -> None:
    print("| benchmark | items | score | published | counted |\n| --- | --- | --- | --- | --- |")
    for task in METRICS:
        path = folder / f"{task}.json"
        if not path.is_file():
            print(f"| {task} | | not run | {PUBLISHED.get(task, '')} | |")
            continue
        print(row(task, json.loads(path.read_text(encoding="utf-8"))))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path, help="folder of a model's results, one JSON file per benchmark")
    main(parser.parse_args().results)
