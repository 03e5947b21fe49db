"""Trains, generates and evaluates on one NVIDIA GPU: tokens per second, MFU, and the differences from the CPU.

    make gpu                                                    # CUDA's libraries, once
    python benchmarks/gpu.py [--out FOLDER] [--torch PYTHON] [--minutes 9]
    python benchmarks/gpu.py --device cpu --tiny                # the same code in a minute on any machine

Writes FOLDER/gpu.json and FOLDER/gpu.md, row by row, so a run that is stopped leaves what it measured. Exits with
status 1 if a part failed, did not fit in the time, or exceeds its tolerance:

- the demo's model, 20 steps in float32: each loss within 1e-3 nats of the CPU's, and the same bits in a second run
- MMLU's items of this checkout, Lemur-Chat: each log-probability within 1e-3 of the CPU's, each choice the same

MFU: training/flops.py's formula, relative to the dense bfloat16 peak of the card in its table PEAK_FLOPS. The shape
`1b` is TinyLlama-1.1B's. torch runs transformers' Llama with SDPA, bfloat16 autocast and a fused AdamW, compiled.
"""

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))
SIDE = ROOT / "benchmarks/gpu_side.py"
TOLERANCE = 1e-3
# The numerics profile of one GPU (docs/accelerators.md), and the same without deterministic operations.
NUMERICS = {"platform": "cuda", "threads": 0, "xla_flags": "--xla_gpu_deterministic_ops=true"}
FAST = {**NUMERICS, "xla_flags": ""}
DEMO = {
    "vocab_size": 4096,
    "hidden_size": 128,
    "intermediate_size": 384,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 32,
    "max_position_embeddings": 512,
    "tie_word_embeddings": True,
}
LARGE = {
    "vocab_size": 32000,
    "hidden_size": 2048,
    "intermediate_size": 5632,
    "num_hidden_layers": 22,
    "num_attention_heads": 32,
    "num_key_value_heads": 4,
    "head_dim": 64,
    "max_position_embeddings": 2048,
}
SMALL = {"vocab_size": 256, "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2}  # for --tiny


def parts(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Requests to the side, the most important first."""
    from lemur.core.files import ENVIRONMENT, read_yaml

    tiny = arguments.tiny
    cpu = dict(read_yaml(ENVIRONMENT)["numerics"])
    device, fast = (cpu, cpu) if arguments.device == "cpu" else (NUMERICS, FAST)
    demo, large = ({**shape, **SMALL} if tiny else shape for shape in (DEMO, LARGE))
    steps = 3 if tiny else 20
    common = {"seconds": 0.1 if tiny else arguments.seconds}
    same = {
        **common,
        "part": "training",
        "shape": demo,
        "dtype": "float32",
        "rows": 8,
        "microbatches": 1,
        "steps": steps,
    }
    same |= {"length": 64 if tiny else 512, "remat": "none"}
    big = {**common, "part": "training", "shape": large, "dtype": "bfloat16", "rows": 2 if tiny else 16, "steps": 2}
    big |= {"microbatches": 2, "length": 64 if tiny else 2048, "remat": "full"}
    speak = {**common, "part": "generation", "prompt": 16 if tiny else 128, "new": 16 if tiny else 128}
    evaluation = {"part": "evaluation", "artifacts": str(arguments.artifacts), "limit": 1 if tiny else None}
    requests = [
        {**evaluation, "name": "mmlu, device", "numerics": device},
        {**evaluation, "name": "mmlu, CPU", "numerics": cpu},
        {**same, "name": "training, demo", "numerics": device},
        {**same, "name": "training, demo, again", "numerics": device},
        {**same, "name": "training, demo, CPU", "numerics": cpu},
        {**big, "name": "training, 1b", "numerics": device},
        {**big, "name": "training, 1b, not deterministic", "numerics": fast},
        *(
            {**speak, "name": f"generation, {name}, batch {rows}", "shape": shape, "rows": rows, "numerics": device}
            for name, shape, rows in (("demo", demo, 16), ("1b", large, 1), ("1b", large, 2 if tiny else 32))
        ),
    ]
    if arguments.torch:
        torch = {**big, "part": "torch_training", "device": arguments.device, "python": str(arguments.torch)}
        requests.insert(7, {**torch, "name": "training, 1b, torch"})
    return requests


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("."), help="folder for gpu.json and gpu.md")
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--torch", type=Path, help="a Python that has torch for the device, and transformers")
    parser.add_argument("--artifacts", type=Path, default=ROOT, help="where models/lemur_chat and data/raw/mmlu are")
    parser.add_argument("--tiny", action="store_true", help="tiny sizes, to try the script")
    parser.add_argument("--seconds", type=float, default=5.0, help="duration of each measurement")
    parser.add_argument("--minutes", type=float, default=9.0, help="start no part after so many minutes")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    end = time.monotonic() + 60 * arguments.minutes
    results: dict[str, dict[str, Any]] = {}
    for request in parts(arguments):
        results[request["name"]] = ask(request, end - time.monotonic())
        print(f"{request['name']}: {json.dumps(shown(results[request['name']]))}", flush=True)
        write(arguments.out, results, [])
    checks = compare(results)
    write(arguments.out, results, checks)
    print((arguments.out / "gpu.md").read_text(encoding="utf-8"))
    failed = [name for name, result in results.items() if "error" in result]
    return int(bool(failed) or not all(check["holds"] for check in checks))


def ask(request: dict[str, Any], left: float) -> dict[str, Any]:
    """The side's answer, or `error` with the end of what it said."""
    if left <= 0:
        return {"error": "not started: the time was up (--minutes)"}
    # The numerics profile decides these.
    environment = {
        key: value for key, value in os.environ.items() if not key.startswith(("JAX_", "XLA_FLAGS", "NPROC"))
    }
    environment["HF_HUB_OFFLINE"] = "1"
    with tempfile.TemporaryDirectory() as scratch:
        command = [request.get("python", sys.executable), str(SIDE), json.dumps({**request, "scratch": scratch})]
        try:
            done = subprocess.run(
                command, env=environment, capture_output=True, encoding="utf-8", timeout=max(left, 30)
            )
        except subprocess.TimeoutExpired:
            return {"error": f"ended after {max(left, 30):.0f} s: the time was up (--minutes)"}
    if done.returncode:
        return {"error": done.stderr.strip()[-600:] or f"exit status {done.returncode}"}
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def compare(results: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """What has to hold; a part without a result cannot hold."""

    def largest(pairs: list[tuple[float, float]]) -> float:
        return max((abs(a - b) for a, b in pairs), key=lambda gap: math.inf if math.isnan(gap) else gap)

    def losses(name: str) -> list[float]:
        return list(results[name]["losses"])

    def scores(name: str) -> list[tuple[str, float]]:
        return [(letter, value) for item in results[name]["logprobs"] for letter, value in sorted(item.items())]

    def choices(name: str) -> list[str]:
        return [max(item, key=item.__getitem__) for item in results[name]["logprobs"]]

    def same_bits() -> bool:
        return results["training, demo"]["weights"] == results["training, demo, again"]["weights"]

    questions = {
        "largest difference of a loss from the CPU's": (
            lambda: largest(list(zip(losses("training, demo"), losses("training, demo, CPU"), strict=True))),
            lambda found: found <= TOLERANCE,
        ),
        "a second training gives the same bits": (same_bits, lambda found: found is True),
        "largest difference of a log-probability from the CPU's": (
            lambda: largest(
                [(a, b) for (_, a), (_, b) in zip(scores("mmlu, device"), scores("mmlu, CPU"), strict=True)]
            ),
            lambda found: found <= TOLERANCE,
        ),
        "choices that differ from the CPU's": (
            lambda: sum(a != b for a, b in zip(choices("mmlu, device"), choices("mmlu, CPU"), strict=True)),
            lambda found: found == 0,
        ),
    }
    checks = []
    for what, (measure, holds) in questions.items():
        try:
            found = measure()
        except KeyError:
            checks.append({"what": what, "found": "a part failed", "holds": False})
        else:
            checks.append({"what": what, "found": found, "holds": bool(holds(found))})
    return checks


def shown(result: dict[str, Any]) -> dict[str, Any]:
    """Without what is only compared."""
    return {key: value for key, value in result.items() if key not in ("losses", "logprobs", "weights")}


def write(folder: Path, results: dict[str, dict[str, Any]], checks: list[dict[str, Any]]) -> None:
    (folder / "gpu.json").write_text(json.dumps({"parts": results, "checks": checks}, indent=1), encoding="utf-8")
    columns = ("rate", "unit", "mfu", "compile_s", "peak_gib", "device", "error")
    lines = ["| part | " + " | ".join(columns) + " |", "|" + " --- |" * (len(columns) + 1)]
    for name, result in results.items():
        cells = (str(result.get(column, "")).replace("\n", " ").replace("|", "/")[-200:] for column in columns)
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    lines += ["", "| check | found | holds |", "| --- | --- | --- |"]
    lines += [f"| {check['what']} | {check['found']} | {'yes' if check['holds'] else 'NO'} |" for check in checks]
    (folder / "gpu.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
