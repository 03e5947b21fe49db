"""Reports in Markdown what training did to a base model, from a build's results.

Exits with status 1 if continued pre-training did not lower bits per byte of code. Tuning has only three steps, each on
other conversations, so their losses cannot be compared; at demo scale they fall.

    make small                      # or: python benchmarks/small.py .lemur/at/small
"""

import argparse
import csv
import json
import sys
from pathlib import Path
from typing import Any

MODELS = {"base": "SmolLM2-135M", "lemur": "after continued pre-training", "lemur_chat": "after instruction tuning"}


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def main(build: Path) -> int:
    bits = {model: read(build / f"reports/eval/{model}/bits_per_byte.json") for model in MODELS}
    scores = {model: result["results"]["bits_per_byte"] for model, result in bits.items()}
    groups = ["code", "text"]
    sources = sorted(set(scores["base"]) - {*groups, "unigram"})
    print("Bits per byte of held-out documents.\n")
    print("| | " + " | ".join(MODELS.values()) + " |\n| --- | --- | --- | --- |")
    for source in [*groups, *sources]:
        print(f"| {source} | " + " | ".join(f"{scores[model][source]:.4f}" for model in MODELS) + " |")
    print("\n| training | steps | tokens | loss, first and last step | learning rate, highest |\n" + "| --- " * 5 + "|")
    for name, stage in (("lemur", "continued_pretraining"), ("lemur_chat", "instruction_tuning")):
        report = read(build / f"reports/stages/{stage}.json")
        with (build / f"reports/training/{name}.csv").open(newline="", encoding="utf-8") as file:
            rate = max(float(step["learning_rate"]) for step in csv.DictReader(file) if step["loss"])
        losses = " and ".join(f"{report['loss'][end]:.3f}" for end in ("first", "last"))
        print(f"| {stage} | {report['steps']} | {report['tokens']:,} | {losses} | {rate:.1e} |")
    change = {group: scores["lemur"][group] - scores["base"][group] for group in groups}
    print(f"\nContinued pre-training: code {change['code']:+.4f}, text {change['text']:+.4f} bits per byte.")
    return int(change["code"] >= 0)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=Path, help="a checkout built at scale small")
    sys.exit(main(parser.parse_args().build))
