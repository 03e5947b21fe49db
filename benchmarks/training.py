"""Compares training and generation with transformers in torch, on a CPU: ratios of alternating rounds.

    make parity                                       # torch, once
    python benchmarks/training.py [--torch PYTHON] [--models demo 50m 135m] [--threads 1 2] [--rounds 3] [--seconds 6]
    python benchmarks/training.py --avx2              # both sides as on a processor without AVX-512
    python benchmarks/training.py --old CHECKOUT      # an older commit takes part: git worktree add CHECKOUT COMMIT

Both sides train the same model on the same sequences of the demo corpus, in float32, with AdamW and clipping, and
continue the same prompts greedily. torch runs at its best: eager and `torch.compile`, the microbatch size that is the
fastest in the first round, a growing and a static cache; the faster median counts. Each measurement runs in its own
process on as many cores as it has threads. torch's side does not separate packed documents, which would cost it more
time. Our side is the real training step, with the demo scale's microbatches and the numerics profile, except for the
number of threads.

Prints a Markdown table. `reached` is `unclear` where the rounds disagree; then the machine is too busy to tell. Exits
with status 1 unless every bound is reached.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from rounds import alternate, best_of, machine, ratio

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT)]
SIDE = ROOT / "benchmarks/training_side.py"
SEQUENCES, PROMPT, NEW = 64, 64, 128
# Changes to the demo's model.
SHAPES: dict[str, dict[str, int]] = {
    "demo": {},
    "7m": {"hidden_size": 256, "intermediate_size": 768, "head_dim": 64},
    "50m": {
        "hidden_size": 512,
        "intermediate_size": 1536,
        "num_hidden_layers": 15,
        "num_attention_heads": 8,
        "num_key_value_heads": 4,
        "head_dim": 64,
    },
    "135m": {  # SmolLM2-135M
        "vocab_size": 49152,
        "hidden_size": 576,
        "intermediate_size": 1536,
        "num_hidden_layers": 30,
        "num_attention_heads": 9,
        "num_key_value_heads": 3,
        "head_dim": 64,
    },
}
# What the backward pass recomputes: the fastest choice for each size.
REMAT = {"demo": "full", "7m": "full", "50m": "dots", "135m": "dots"}
# What is compared: the request to each side, what torch can do about it, and the minimum ratio of our rate to theirs.
WORK: dict[str, tuple[dict[str, Any], tuple[str, str], float]] = {
    "training": ({"work": "training"}, ("eager", "compiled"), 1.0),
    "generation, batch 1": ({"work": "generation", "rows": 1}, ("growing", "static"), 2.0),
    "generation, batch 16": ({"work": "generation", "rows": 16}, ("growing", "static"), 2.0),
}
# With --avx2: a processor of tests/processors for our side; for torch what its own libraries read (ATen and
# `torch.compile`, MKL, oneDNN), because simulating would have to disassemble its 400 MB.
PROCESSOR = "haswell"
TORCH_AVX2 = {"ATEN_CPU_CAPABILITY": "avx2", "MKL_ENABLE_INSTRUCTIONS": "AVX2", "ONEDNN_MAX_CPU_ISA": "AVX2"}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--torch", type=Path, default=Path(sys.executable), help="a Python that has torch")
    parser.add_argument("--models", nargs="+", default=["demo", "50m", "135m"], choices=list(SHAPES))
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--work", nargs="+", default=list(WORK), choices=list(WORK))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=6.0, help="duration of each measurement")
    parser.add_argument("--avx2", action="store_true", help="both sides as on a processor without AVX-512")
    parser.add_argument("--old", type=Path, metavar="CHECKOUT", help="a checkout of an older commit to measure too")
    arguments = parser.parse_args()
    columns = ["what", "model", "threads", "lemur", "torch", "ratio", "bound", "reached"]
    columns += ["old", "ratio to old"] if arguments.old else []
    print(f"{machine()}{', as without AVX-512' if arguments.avx2 else ''}\n")
    print(f"| {' | '.join(columns)} |\n|{' --- |' * len(columns)}", flush=True)
    verdicts = set()
    with tempfile.TemporaryDirectory() as scratch:
        inputs = {name: prepare(name, Path(scratch) / name) for name in arguments.models}
        for work in arguments.work:
            for name in arguments.models:
                for threads in arguments.threads:
                    request = {**settings(inputs[name]), "threads": threads, "seconds": arguments.seconds}
                    sides = side_requests(work, arguments.torch, arguments.old)
                    verdicts.add(compare(work, request, sides, arguments.rounds, avx2=arguments.avx2))
    return 0 if verdicts <= {"yes"} else 1


def prepare(name: str, folder: Path) -> Path:
    """Write a model folder and sequences [SEQUENCES, L] of the demo corpus."""
    os.environ["JAX_PLATFORMS"] = "cpu"
    import jax
    import numpy as np
    from flax import nnx

    from lemur.model import folder as models
    from lemur.model.llama import Llama
    from lemur.tokens.shards import open_shards

    config, model = models.load(ROOT / "models/base")
    if SHAPES[name]:
        config = replace(config, **SHAPES[name])
        model = Llama(config, rngs=nnx.Rngs(0))
    models.save(folder, model, ROOT / "models/base", dtype="float32")
    shards = open_shards(ROOT / "data/corpus/packed_lemur")
    order = np.random.default_rng(0).permutation(len(shards))[:SEQUENCES]
    rows = [shards[int(index)] for index in order]
    np.savez(folder / "data.npz", **{key: np.stack([row[key] for row in rows]) for key in rows[0]})
    parameters = sum(leaf.size for leaf in jax.tree.leaves(nnx.state(model)))
    print(f"{name}: {parameters / 1e6:.1f} M parameters, sequences of {rows[0]['tokens'].size}", file=sys.stderr)
    return folder


def side_requests(work: str, torch: Path, old: Path | None) -> dict[str, tuple[Path, dict[str, str]]]:
    """{name: (Python, what its request has beyond the others')} of our side, torch's variants and an older commit."""
    ours = Path(sys.executable)
    sides = {"lemur": (ours, {"library": "lemur"})}
    sides |= {variant: (torch, {"library": "torch", "variant": variant}) for variant in WORK[work][1]}
    return sides | ({"old": (ours, {"library": "lemur", "checkout": str(old.resolve())})} if old else {})


def compare(
    work: str,
    request: dict[str, Any],
    sides: dict[str, tuple[Path, dict[str, str]]],
    rounds: int,
    *,
    avx2: bool,
) -> str:
    """Print a row of the table, then what else the sides say, to stderr. Returns the verdict."""
    more, variants, bound = WORK[work]
    results: dict[str, dict[str, Any]] = {}

    def rate(name: str) -> float:
        python, own = sides[name]
        fastest = results.get(name, {}).get("rows_at_once")  # torch tries several in the first round
        results[name] = side({**request, **more, **own, "rows_at_once": fastest}, python, avx2=avx2)
        return float(results[name]["rate"])

    rates = alternate({name: partial(rate, name) for name in sides}, rounds)
    best = best_of({variant: rates[variant] for variant in variants})
    found = ratio(rates["lemur"], rates[best])
    verdict = found.verdict(bound)
    medians = {name: f"{statistics.median(rates[name]):,.0f}" for name in sides}
    cells = [work, Path(request["folder"]).name, request["threads"], medians["lemur"], f"{medians[best]} {best}"]
    cells += [found, bound, verdict]
    cells += [medians["old"], ratio(rates["lemur"], rates["old"])] if "old" in sides else []
    print(f"| {' | '.join(map(str, cells))} |", flush=True)
    for name, result in results.items():
        print("   ", name, ", ".join(f"{key} {_short(value)}" for key, value in result.items()), file=sys.stderr)
    return verdict


def settings(folder: Path) -> dict[str, Any]:
    """What a side needs to know about a model from `prepare` and about the demo's training."""
    from lemur.core.parameter_blocks import current_blocks

    demo = current_blocks()["continued_pretraining"]
    trained = {"remat": REMAT[folder.name], "microbatches": demo["microbatches"], "optimizer": demo["optimizer"]}
    return {"folder": str(folder), "prompt": PROMPT, "new": NEW, **trained}


def environment(library: str = "lemur", *, avx2: bool = False) -> dict[str, str]:
    """That of a stage, with its allocator, for all sides."""
    from lemur.core.environment_variables import cleaned
    from tests.processors.identity import variables

    processor = {} if not avx2 else TORCH_AVX2 if library == "torch" else variables(PROCESSOR)
    return {**cleaned(os.environ), "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", **processor}


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def side(request: dict[str, Any], python: Path, *, avx2: bool = False) -> dict[str, Any]:
    done = subprocess.run(
        [python, SIDE, json.dumps(request)],
        check=True,
        stdout=subprocess.PIPE,
        env=environment(request["library"], avx2=avx2),
        encoding="utf-8",
    )
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


if __name__ == "__main__":
    sys.exit(main())
