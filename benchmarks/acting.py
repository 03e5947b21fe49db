"""Lets a model act on a seeded choice of MINT's and ALFWorld's own tasks: a table beside the paper's rows.

    LEMUR_MIRROR=FOLDER python benchmarks/acting.py MODEL OUT [--limit N] [--teacher MODEL]

MODEL: a model folder, such as .lemur/at/small/models/base (SmolLM2-135M, `make small`). Writes results and episodes to
OUT. MINT's limits: 5 turns, 2 proposals, 2,000 characters of an observation; a message has at most 192 tokens. The
teacher is the model itself, or another folder. Games run in this project's engine.
"""

import argparse
import logging
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT)]

from lemur.core.files import ENVIRONMENT, read_yaml  # noqa: E402
from lemur.core.numerics import NUMERICS, apply_numerics  # noqa: E402
from lemur.core.records import Record, read_json  # noqa: E402

TASKS = ("gsm8k", "math", "theoremqa", "hotpotqa", "mmlu", "humaneval", "mbpp")
PAPER = {
    "Llama-2-70B-Chat": (33.33, 3.00, 2.04, 27.91, 42.11, 8.89, 8.79, 21.64),
    "CodeLlama-34B-INST": (25.00, 4.00, 2.04, 16.28, 30.26, 2.22, 2.20, 37.31),
    "Lemur-70B-Chat": (58.33, 6.00, 8.16, 44.19, 56.58, 46.67, 17.58, 59.70),
}


def main(model: Path, out: Path, limit: int, teacher: Path) -> None:
    apply_numerics(read_yaml(ENVIRONMENT)[NUMERICS], 1)
    from lemur.agents import alfworld, mint, mint_feedback
    from lemur.core.parameter_blocks import current_blocks
    from lemur.sources.fetch import Params as FetchParams
    from lemur.sources.fetch import fetch

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    out.mkdir(parents=True, exist_ok=True)
    changes: Record = {
        "limit": limit,
        "turns": [5],
        "max_new_tokens": 192,
        "context": 4096,
        "tile": 4,
        "observation_characters": 2000,
    }
    blocks = current_blocks()
    with tempfile.TemporaryDirectory() as folder:
        sources = {name: Path(folder, name) for name in ("mint", "alfworld")}
        for name, files in sources.items():
            fetch(FetchParams(place="mirror"), ROOT / "data/sources" / name, files=files)

        def paths(name: str) -> dict[str, Path]:
            return {"result": out / f"{name}.json", "samples": out / f"{name}.jsonl"}

        start = time.monotonic()
        mint.mint(mint.Params.model_validate(blocks["mint"] | changes), model, sources["mint"], **paths("mint"))
        taught = blocks["mint_feedback"] | changes
        taught["teacher"] = {"backend": "jax", "max_new_tokens": 128, "context": 4096}
        params = mint_feedback.Params.model_validate(taught)
        mint_feedback.mint_feedback(
            params, model, teacher, sources["mint"], out / "mint.json", **paths("mint_feedback")
        )
        games = alfworld.Params.model_validate(blocks["alfworld"] | changes)
        alfworld.alfworld(games, model, sources["alfworld"], sources["mint"], **paths("alfworld"))
    print(f"{(time.monotonic() - start) / 60:.0f} minutes, {limit} tasks of each kind\n")
    print("\n".join(table(model.name, out)))


def table(name: str, out: Path) -> list[str]:
    head = "| model | " + " | ".join(TASKS) + " | alfworld |"
    rows = [head, "|---" * (len(TASKS) + 2) + "|"]
    for model, scores in PAPER.items():
        rows.append(f"| {model} (paper) | " + " | ".join(f"{score:.2f}" for score in scores) + " |")
    results = {stage: read_json(out / f"{stage}.json")["results"] for stage in ("mint", "mint_feedback", "alfworld")}
    for rule in ("paper", "strict"):
        for stage in ("mint", "mint_feedback"):
            cells = [_cell(results[stage], f"{stage}_{task}", rule) for task in TASKS]
            games = _cell(results["alfworld"], "alfworld", rule) if stage == "mint" else ""
            taught = ", with a teacher" if stage == "mint_feedback" else ""
            rows.append(f"| {name}{taught}, {rule} | " + " | ".join(cells) + f" | {games} |")
    return rows


def _cell(results: Record, part: str, rule: str) -> str:
    values = results[part]
    solved = round(values[f"success,{rule}"] * values["episodes"])
    return f"{100 * values[f'success,{rule}']:.1f} ({solved} of {values['episodes']:.0f})"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--limit", type=int, default=4)
    parser.add_argument("--teacher", type=Path)
    options = parser.parse_args()
    main(options.model, options.out, options.limit, options.teacher or options.model)
