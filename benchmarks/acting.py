"""Lets a model act on a seeded choice of each agent benchmark's own tasks: tables beside the paper's rows.

    LEMUR_MIRROR=FOLDER python benchmarks/acting.py MODEL OUT [--limit N] [--teacher MODEL] [--stages STAGE,...]

MODEL: a model folder, such as .lemur/at/small/models/base (SmolLM2-135M, `make small`). Writes results and episodes to
OUT. The paper's limits: 5 turns, 2 proposals and 2,000 characters of an observation in MINT and ALFWorld, 10 turns in
InterCode, 5 in RoboCodeGen; a message has at most 96 tokens. WebArena: 8 actions on the project's own sites. The
teacher and judge is the model itself, or another folder. Games run in this project's engine; others need `make agents`.
"""

import argparse
import importlib
import logging
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT)]

from lemur.core.numerics import apply_profile  # noqa: E402
from lemur.core.records import Record, read_json  # noqa: E402

MINT = ("gsm8k", "math", "theoremqa", "hotpotqa", "mmlu", "humaneval", "mbpp")
OTHERS = ("alfworld", "intercode_sql", "intercode_bash", "intercode_ctf", "robocodegen", "webarena")
STAGES = ("mint", "mint_feedback", *OTHERS)
PAPER = {
    "Llama-2-70B-Chat": (33.33, 3.00, 2.04, 27.91, 42.11, 8.89, 8.79, 21.64, 67.89, 31.50, 9.00, 48.65, 1.72),
    "CodeLlama-34B-INST": (25.00, 4.00, 2.04, 16.28, 30.26, 2.22, 2.20, 37.31, 67.79, 36.00, 16.00, 64.86, 4.06),
    "Lemur-70B-Chat": (58.33, 6.00, 8.16, 44.19, 56.58, 46.67, 17.58, 59.70, 73.79, 34.50, 22.00, 75.68, 5.30),
}
ASKING: Record = {"max_new_tokens": 96, "context": 4096, "tile": 2}
ACTING: Record = ASKING | {"turns": [5], "observation_characters": 2000}
CHANGES: dict[str, Record] = {
    "mint": ACTING,
    "mint_feedback": ACTING | {"teacher": {"backend": "jax", "max_new_tokens": 128, "context": 4096}},
    "alfworld": ACTING,
    "intercode_sql": ASKING | {"turns": 10, "server": "mariadb"},
    "intercode_bash": ASKING | {"turns": 10, "root": "debian"},
    "intercode_ctf": ASKING | {"turns": 10, "root": "debian"},
    "robocodegen": ASKING | {"turns": 5, "error_characters": 2000},
    "webarena": ASKING | {"turns": 8, "judge": {"backend": "jax", "max_new_tokens": 24, "context": 4096}},
}
"""Of the blocks in params.yaml."""


def main(model: Path, out: Path, limit: int, teacher: Path, stages: Sequence[str]) -> None:
    apply_profile()
    from lemur.core.parameter_blocks import current_blocks
    from lemur.sources.fetch import Params as FetchParams
    from lemur.sources.fetch import fetch

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    out.mkdir(parents=True, exist_ok=True)
    blocks = current_blocks()
    with tempfile.TemporaryDirectory() as folder:
        sources = {name: Path(folder, name) for name in ("mint", "alfworld", "intercode", "robocodegen", "webarena")}
        for name, files in sources.items():
            fetch(
                FetchParams(place="bundled" if name == "webarena" else "mirror"),
                ROOT / "data/sources" / name,
                files=files,
            )
        folders = {
            "mint": (sources["mint"],),
            "mint_feedback": (teacher, sources["mint"], out / "mint.json"),
            "alfworld": (sources["alfworld"], sources["mint"]),
            "robocodegen": (sources["robocodegen"],),
            "webarena": (teacher, sources["webarena"]),
        }
        for stage in stages:
            start = time.monotonic()
            module = importlib.import_module(f"lemur.agents.{stage}")
            params = module.Params.model_validate(blocks[stage] | CHANGES[stage] | {"limit": limit})
            inputs = folders.get(stage, (sources["intercode"],))
            getattr(module, stage)(params, model, *inputs, result=out / f"{stage}.json", samples=out / f"{stage}.jsonl")
            print(f"{stage}: {(time.monotonic() - start) / 60:.0f} minutes", flush=True)
    print("\n".join(table(model.name, out)))


def table(name: str, out: Path) -> list[str]:
    rows = ["| model | " + " | ".join((*MINT, *OTHERS)) + " |", "|---" * (len(MINT) + len(OTHERS) + 1) + "|"]
    for model, scores in PAPER.items():
        rows.append(f"| {model} (paper) | " + " | ".join(f"{score:.2f}" for score in scores) + " |")
    for rule in ("paper", "strict"):
        for stage in ("mint", "mint_feedback"):
            cells = [_cell(out, stage, f"{stage}_{task}", rule) for task in MINT]
            cells += [_cell(out, other, other, rule) if stage == "mint" else "" for other in OTHERS]
            taught = ", with a teacher" if stage == "mint_feedback" else ""
            rows.append(f"| {name}{taught}, {rule} | " + " | ".join(cells) + " |")
    return rows


def _cell(out: Path, stage: str, part: str, rule: str) -> str:
    path = out / f"{stage}.json"
    if not path.exists():
        return "not played"
    values = read_json(path)["results"].get(part, {})
    if "episodes" not in values:
        return str(values.get("skipped", "not played"))
    solved = round(values[f"success,{rule}"] * values["episodes"])
    return f"{100 * values[f'success,{rule}']:.1f} ({solved} of {values['episodes']:.0f})"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--limit", type=int, default=4)
    parser.add_argument("--teacher", type=Path)
    parser.add_argument("--stages", default=",".join(STAGES))
    options = parser.parse_args()
    main(options.model, options.out, options.limit, options.teacher or options.model, options.stages.split(","))
