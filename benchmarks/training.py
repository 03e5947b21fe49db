"""Compares training and generation with transformers in torch, on a CPU: ratios from one run.

    make parity                                       # torch, once
    python benchmarks/training.py [--torch PYTHON] [--models demo 50m] [--threads 1 2] [--seconds 6]

Both sides train the same model on the same sequences of the demo corpus, in float32, with AdamW and clipping, and
continue the same prompts greedily. Each measurement runs in its own process on as many cores as it has threads. torch's
side does not separate packed documents, which would cost it more time; it uses the fastest of several microbatch sizes.
Our side is the real training step, with the demo scale's microbatches and the numerics profile, except for the number
of threads. Exits with status 1 if a bound is missed.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))
SIDE = ROOT / "benchmarks/training_side.py"
SEQUENCES, PROMPT, NEW, ROWS = 64, 64, 128, 16
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
}
# What the backward pass recomputes: the fastest choice for each size.
REMAT = {"demo": "full", "7m": "full", "50m": "dots"}
# Minimum ratio of our rate to theirs.
BOUNDS = {"training": 1.0, "generation": 2.0}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--torch", type=Path, default=Path(sys.executable), help="a Python that has torch")
    parser.add_argument("--models", nargs="+", default=["demo", "50m"], choices=list(SHAPES))
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--work", nargs="+", default=list(BOUNDS), choices=list(BOUNDS))
    parser.add_argument("--seconds", type=float, default=6.0, help="duration of each measurement")
    arguments = parser.parse_args()
    missed = 0
    with tempfile.TemporaryDirectory() as scratch:
        inputs = {name: prepare(name, Path(scratch) / name) for name in arguments.models}
        for threads in arguments.threads:
            for name in arguments.models:
                for work in arguments.work:
                    missed += compare(work, inputs[name], threads, arguments.torch, arguments.seconds)
    return 1 if missed else 0


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
    print(f"{name}: {parameters / 1e6:.1f} M parameters, sequences of {rows[0]['tokens'].size}", flush=True)
    return folder


def compare(work: str, folder: Path, threads: int, torch: Path, seconds: float) -> int:
    request = {**settings(folder), "work": work, "threads": threads, "seconds": seconds}
    # Ours, theirs, ours: this shows whether the machine slowed down meanwhile.
    ours, theirs, again = side("lemur", request), side("torch", request, torch), side("lemur", request)
    best = max(ours, again, key=lambda result: result["rate"])
    ratio, bound = best["rate"] / theirs["rate"], BOUNDS[work]
    reached = ratio >= bound
    print(f"{work}, {folder.name}, threads {threads}: {ratio:.2f} times, {'' if reached else 'NOT '}at least {bound}")
    for library, result in (("lemur", ours), ("torch", theirs), ("lemur", again)):
        print("   ", library, ", ".join(f"{key} {_short(value)}" for key, value in result.items()), flush=True)
    return 0 if reached else 1


def settings(folder: Path) -> dict[str, Any]:
    """What a side needs to know about a model from `prepare` and about the demo's training."""
    from lemur.core.parameter_blocks import current_blocks

    demo = current_blocks()["continued_pretraining"]
    trained = {"remat": REMAT[folder.name], "microbatches": demo["microbatches"], "optimizer": demo["optimizer"]}
    return {"folder": str(folder), "prompt": PROMPT, "new": NEW, "rows": ROWS, **trained}


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def side(library: str, request: dict[str, Any], python: Path = Path(sys.executable)) -> dict[str, Any]:
    done = subprocess.run(
        [python, SIDE, json.dumps({**request, "library": library})],
        check=True,
        stdout=subprocess.PIPE,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"},
        encoding="utf-8",
    )
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


if __name__ == "__main__":
    sys.exit(main())
