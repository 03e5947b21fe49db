"""The trade-off of the share of code in the mixture: a sweep of DVC experiments and a curve.

    python bin/code_share.py [--shares 0.25 0.5 0.75] [--out reports/code_share]

Each share is an experiment `code-share-N` in a folder of its own (`dvc exp run --temp`): mixture, packing, continued
pre-training and bits per byte run again, everything else comes from the cache, and the checkout does not change. An
existing experiment is not run again (`dvc exp remove code-share-N` removes it). Writes OUT.csv and OUT.png, which
include the checkout's own mixture.
"""

import argparse
import csv
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))
RESULT = "reports/eval/{}/bits_per_byte.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shares", nargs="+", type=float, default=[0.25, 0.5, 0.75])
    parser.add_argument("--out", type=Path, default=ROOT / "reports/code_share")
    arguments = parser.parse_args()
    from lemur.core.files import PARAMS, read_yaml
    from lemur.corpus.sources import CODE

    weights = read_yaml(PARAMS)["mix_corpus"]["lemur"]["weights"]
    code = sum(weight for source, weight in weights.items() if source in CODE)
    own_share = code / sum(weights.values())
    rows = [{"share": own_share, **bits("lemur", None)}]
    for share in arguments.shares:
        name = f"code-share-{share * 100:g}".replace(".", "_")
        if not 0 < share < 1:
            sys.exit(f"--shares: {share} is not between 0 and 1")
        if name not in existing_experiments():
            # Scale only the weights of text; the sources within each group keep their proportions.
            factor = own_share * (1 - share) / ((1 - own_share) * share)
            texts = {source: weight * factor for source, weight in weights.items() if source not in CODE}
            run(name, {f"mix_corpus.lemur.weights.{source}": round(weight, 4) for source, weight in texts.items()})
        rows.append({"share": share, **bits("lemur", name)})
    rows.sort(key=lambda row: row["share"])
    base = bits("base", None)
    with arguments.out.with_suffix(".csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["share", "code", "text"])
        writer.writeheader()
        writer.writerows([{"share": "base", **base}, *rows])
    draw(base, rows, arguments.out.with_suffix(".png"))
    print(arguments.out.with_suffix(".csv").read_text(encoding="utf-8") + f"{arguments.out}.png")


def existing_experiments() -> list[str]:
    command = ["dvc", "exp", "list", "--name-only"]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, encoding="utf-8").stdout.split()


def run(name: str, values: dict[str, float]) -> None:
    """Run an experiment up to Lemur's bits per byte."""
    changes = [option for key, value in values.items() for option in ("-S", f"{key}={value}")]
    command = ["dvc", "exp", "run", "--temp", "--name", name, *changes, "bits_per_byte@lemur"]
    print(" ".join(command), flush=True)
    subprocess.run(command, cwd=ROOT, check=True)


def bits(model: str, revision: str | None) -> dict[str, float]:
    """Bits per byte of held-out code and text, of the checkout or of an experiment."""
    import dvc.api

    path = RESULT.format(model)
    metrics: Any = dvc.api.metrics_show(path, repo=str(ROOT), rev=revision)
    results = metrics["results"]["bits_per_byte"]
    return {group: results[group] for group in ("code", "text")}


def draw(base: dict[str, float], rows: list[dict[str, float]], path: Path) -> None:
    from lemur.pages.figures import BLUE, GREY, picture

    with picture(path, 6, 4.5, "Continued pre-training: trade-off of the share of code") as figure:
        axes = figure.subplots()
        axes.plot([row["text"] for row in rows], [row["code"] for row in rows], "o-", color=BLUE)
        axes.plot([base["text"]], [base["code"]], "s", color=GREY)
        axes.annotate("base", (base["text"], base["code"]), xytext=(6, 6), textcoords="offset points")
        for row in rows:
            place = (row["text"], row["code"])
            axes.annotate(f"{row['share']:.0%} code", place, xytext=(6, 6), textcoords="offset points")
        axes.set_xlabel("bits per byte of held-out text")
        axes.set_ylabel("bits per byte of held-out code")
        axes.margins(0.15)


if __name__ == "__main__":
    main()
