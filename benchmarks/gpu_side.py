"""One part of gpu.py in its own process: `python gpu_side.py REQUEST`; its last line is the result as JSON."""

import json
import math
import os
import sys
import time
from pathlib import Path
from typing import Any

from training_side import repeat

ROOT = Path(__file__).resolve().parents[1]
SOURCES = 4
PEAK_RATE = 3e-4


def main() -> None:
    request = json.loads(sys.argv[1])
    sys.path.insert(0, str(ROOT / "src"))
    if request["part"] != "torch_training":
        from lemur.core.numerics import apply_numerics

        os.environ["JAX_COMPILATION_CACHE_DIR"] = ""
        apply_numerics(request["numerics"])
    print(json.dumps(globals()[request["part"]](request)))


def batch(request: dict[str, Any]) -> dict[str, Any]:
    """Sequences of one document each, the same on every device."""
    import numpy as np

    shape = (request["rows"], request["length"] + 1)
    tokens = np.random.default_rng(0).zipf(1.3, shape) % request["shape"]["vocab_size"]
    ones = np.ones(shape, np.uint16)
    return {
        "tokens": tokens.astype(np.uint16),
        "segments": ones,
        "loss": ones,
        "positions": np.tile(np.arange(shape[1]), (shape[0], 1)),
        "sources": np.zeros(shape, np.uint8),
    }


def device() -> dict[str, Any]:
    import jax

    first = jax.devices()[0]
    memory = first.memory_stats() or {}
    peak = memory.get("peak_bytes_in_use")
    return {"device": first.device_kind, "jax": jax.__version__, "peak_gib": peak and round(peak / 2**30, 2)}


def model(request: dict[str, Any], **more: Any) -> Any:
    from flax import nnx

    from lemur.model.config import LlamaConfig
    from lemur.model.llama import Llama

    config = LlamaConfig(**request["shape"])
    return config, nnx.jit(lambda: Llama(config, rngs=nnx.Rngs(0), **more))()


def training(request: dict[str, Any]) -> dict[str, Any]:
    """`steps` steps whose losses are compared, then steps for `seconds`."""
    import hashlib

    import jax
    import numpy as np
    from flax import nnx

    from lemur.training.flops import flops_per_token, peak_flops
    from lemur.training.loss import prepare
    from lemur.training.optimizer import optimizer
    from lemur.training.params import OptimizerParams
    from lemur.training.step import compile_step

    config, llama = model(request, dtype=request["dtype"], remat=request["remat"])
    graph, weights = nnx.split(llama)
    tx = optimizer(
        OptimizerParams(
            peak_learning_rate=PEAK_RATE,
            final_ratio=1.0,
            schedule="constant",
            warmup_steps=2,
            b1=0.9,
            b2=0.95,
            epsilon=1e-8,
            weight_decay=0.1,
            clip_norm=1.0,
        ),
        1000,
    )
    state = {"params": weights, "optimizer": jax.jit(tx.init)(weights)}
    arrays = jax.device_put(prepare(batch(request), request["microbatches"], "tokens"))
    limit = np.float32(np.inf)
    started = time.monotonic()
    step = compile_step(graph, tx, sources=SOURCES).lower(state, arrays, limit).compile()
    compiled = time.monotonic() - started
    losses: list[float] = []

    def once() -> None:
        nonlocal state
        state, metrics = step(state, arrays, limit)
        losses.append(float(metrics["loss"]))

    for _ in range(request["steps"]):
        once()
    digest = hashlib.sha256(b"".join(np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(state["params"])))
    compared = losses[:]
    rate = request["rows"] * request["length"] / repeat(once, request["seconds"])
    if not all(map(math.isfinite, losses)):
        raise FloatingPointError(f"a loss is not finite: {losses}")
    peak = peak_flops(jax.devices()[0].device_kind)
    return {
        "rate": round(rate),
        "unit": "tokens/s",
        "mfu": peak and round(rate * flops_per_token(config, request["length"]) / peak, 4),
        "compile_s": round(compiled, 1),
        **device(),
        "losses": compared,
        "weights": digest.hexdigest(),
    }


def generation(request: dict[str, Any]) -> dict[str, Any]:
    """Greedy tokens in float32, as the back end `jax` generates them."""
    from itertools import islice

    import numpy as np

    from lemur.inference.compiled_programs import STEPS, Programs, bucket

    config, llama = model(request)
    programs = Programs(llama)
    rows, prompt, new = request["rows"], request["prompt"], request["new"]
    longest = config.max_position_embeddings
    tokens = np.zeros((rows, bucket(prompt, longest)), np.int32)
    tokens[:, :prompt] = np.random.default_rng(0).integers(3, config.vocab_size, (rows, prompt))
    lengths, keys = np.full(rows, prompt, np.int32), np.zeros((rows, 2), np.uint32)

    def once() -> None:
        answer = programs.generate(None, tokens, lengths, keys, 0.0, cache_length=bucket(prompt + new, longest))
        list(islice(answer, 1 + math.ceil((new - 1) / STEPS)))

    started = time.monotonic()
    once()
    first = time.monotonic() - started
    seconds = repeat(once, request["seconds"])
    compiled = round(first - seconds, 1)
    return {"rate": round(rows * new / seconds), "unit": "tokens/s", "compile_s": compiled, **device()}


def evaluation(request: dict[str, Any]) -> dict[str, Any]:
    """MMLU as the stage evaluates it, but with no answers on record."""
    scratch, artifacts = Path(request["scratch"]), Path(request["artifacts"])
    os.environ["LEMUR_ANSWERS"] = str(scratch / "answers")
    from lemur.core.parameter_blocks import current_blocks
    from lemur.evaluation import mmlu
    from lemur.evaluation.harness.run import run

    params = mmlu.Params(**{**current_blocks()["mmlu"], "limit": request["limit"]})
    task = mmlu.task(params, artifacts / "data/raw/mmlu")
    samples = scratch / "mmlu.jsonl"
    started = time.monotonic()
    run(task, artifacts / "models/lemur_chat", scratch / "mmlu.json", samples)
    seconds = time.monotonic() - started
    records = [json.loads(line) for line in samples.read_text(encoding="utf-8").splitlines()]
    return {
        "rate": round(len(records) / seconds, 2),
        "unit": "questions/s with compilation",
        "right": sum(record["correct"] for record in records),
        "questions": len(records),
        **device(),
        "logprobs": [record["logprobs"] for record in records],
    }


def torch_training(request: dict[str, Any]) -> dict[str, Any]:
    import numpy as np
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from lemur.model.config import LlamaConfig as OurConfig
    from lemur.training.flops import flops_per_token, peak_flops

    cuda = request["device"] == "cuda"
    torch.manual_seed(0)
    config = LlamaConfig(**request["shape"], attn_implementation="sdpa", use_cache=False)
    llama = LlamaForCausalLM(config).to(request["device"]).train()
    call = torch.compile(llama) if cuda else llama
    tx = torch.optim.AdamW(llama.parameters(), lr=PEAK_RATE, betas=(0.9, 0.95), weight_decay=0.1, fused=True)
    tokens = torch.from_numpy(batch(request)["tokens"].astype(np.int64)[:, :-1]).to(request["device"])
    rows = len(tokens) // request["microbatches"]

    def once() -> None:
        for part in tokens.split(rows):
            with torch.autocast(request["device"], torch.bfloat16):
                loss = call(input_ids=part, labels=part).loss / request["microbatches"]
            loss.backward()
        torch.nn.utils.clip_grad_norm_(llama.parameters(), 1.0)
        tx.step()
        tx.zero_grad(set_to_none=True)
        loss.item()

    started = time.monotonic()
    once()
    first = time.monotonic() - started
    seconds = repeat(once, request["seconds"])
    rate = tokens.numel() / seconds
    kind = torch.cuda.get_device_name() if cuda else "cpu"
    peak = peak_flops(kind)
    return {
        "rate": round(rate),
        "unit": "tokens/s",
        "mfu": peak and round(rate * flops_per_token(OurConfig(**request["shape"]), request["length"]) / peak, 4),
        "compile_s": round(first - seconds, 1),
        "device": f"{kind}, torch {torch.__version__}",
        "peak_gib": round(torch.cuda.max_memory_allocated() / 2**30, 2) if cuda else None,
    }


if __name__ == "__main__":
    main()
