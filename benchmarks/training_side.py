"""One side of training.py or commits.py in its own process: `python training_side.py REQUEST`.

Prints its result as JSON. With `repeat: lockstep`, each line on stdin requests one more repetition, and it prints the
CPU seconds; with `repeat: traced` it prints the nanoseconds of each operation in one repetition.
"""

import json
import math
import os
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

from measure import peak_mib

ROOT = Path(__file__).resolve().parents[1]
BATCH = 4  # sequences per step, as at demo scale


def main() -> None:
    request = json.loads(sys.argv[1])
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: request["threads"]])
    if way := request.get("repeat"):
        globals()["repeat"] = globals()[way]
    result = globals()[f"{request['library']}_{request['work']}"](request)
    result["peak_memory_mib"] = round(peak_mib())
    print(json.dumps(result))


def repeat(step: Callable[[], Any], seconds: float) -> float:
    """Median seconds over at least three steps, after one warm-up step."""
    step()
    times = []
    end = time.monotonic() + seconds
    while len(times) < 3 or time.monotonic() < end:
        started = time.monotonic()
        step()
        times.append(time.monotonic() - started)
    return statistics.median(times)


def lockstep(step: Callable[[], Any], _: float) -> float:
    """Run `step` once for each line on stdin, so that two processes can take turns."""
    step()
    print("ready", flush=True)
    for _line in sys.stdin:
        started = time.process_time()
        step()
        print(time.process_time() - started, flush=True)
    sys.exit()


def traced(step: Callable[[], Any], _: float) -> float:
    import jax

    step()
    spent: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        with jax.profiler.trace(folder):
            step()
        (file,) = Path(folder).rglob("*.xplane.pb")
        for plane in jax.profiler.ProfileData.from_file(str(file)).planes:
            for line in plane.lines:
                for event in line.events:
                    if "hlo_op" in dict(event.stats):
                        spent[event.name] += event.duration_ns
    print(json.dumps(spent))
    sys.exit()


def profile(request: dict[str, Any]) -> None:
    """Use the numerics profile and the code of `checkout`, or of this one if the request names none."""
    sys.path.insert(0, str(Path(request.get("checkout", ROOT)) / "src"))
    try:
        from lemur.core import files, numerics
    except ModuleNotFoundError:  # an older commit with other modules
        from lemur.pipeline import environment as numerics  # type: ignore[no-redef]
        from lemur.pipeline import files  # type: ignore[no-redef]

    os.environ["JAX_COMPILATION_CACHE_DIR"] = ""
    settings = files.read_yaml(files.ENVIRONMENT)["numerics"]
    numerics.apply_numerics({**settings, "threads": request["threads"]})


def lemur_training(request: dict[str, Any]) -> dict[str, Any]:
    profile(request)
    import jax
    import jax.numpy as jnp
    import numpy as np
    from flax import nnx

    from lemur.model import folder
    from lemur.training.flops import flops_per_token
    from lemur.training.loss import prepare
    from lemur.training.optimizer import optimizer
    from lemur.training.params import OptimizerParams
    from lemur.training.step import compile_step

    config, model = folder.load(Path(request["folder"]), dtype="float32", remat=request["remat"])
    graph, weights = nnx.split(model)
    tx = optimizer(OptimizerParams(**request["optimizer"]), 1000)
    state = {"params": weights, "optimizer": tx.init(weights)}
    with np.load(Path(request["folder"]) / "data.npz") as data:
        batches = [
            prepare({key: data[key][at : at + BATCH] for key in data}, request["microbatches"], "tokens")
            for at in range(0, len(data["tokens"]), BATCH)
        ]
    length = batches[0]["tokens"].shape[-1]
    started = time.monotonic()
    limit = np.float32(np.inf)
    step = compile_step(graph, tx, sources=32).lower(state, batches[0], limit).compile()
    compiled = time.monotonic() - started
    done = 0

    def once() -> None:
        nonlocal state, done
        state, metrics = step(state, batches[done % len(batches)], limit)
        done += 1
        float(metrics["loss"])

    rate = BATCH * length / repeat(once, request["seconds"])
    square = jnp.ones((2048, 2048), jnp.float32)
    product = jax.jit(lambda a, b: a @ b).lower(square, square).compile()
    # The fastest of three: the machine may be slow for a second.
    peak = 2 * 2048**3 / min(repeat(lambda: product(square, square).block_until_ready(), 1) for _ in range(3))
    mfu = rate * flops_per_token(config, length) / peak
    return {
        "rate": rate,
        "unit": "tokens/s",
        "mfu": mfu,
        "matmul_gflops": peak / 1e9,
        "compile_s": compiled,
    }


def torch_training(request: dict[str, Any]) -> dict[str, Any]:
    import numpy as np
    import torch
    from transformers import LlamaForCausalLM

    torch.set_num_threads(request["threads"])
    model = LlamaForCausalLM.from_pretrained(request["folder"], dtype=torch.float32).train()
    model.config.use_cache = False

    def loss(part: Any) -> Any:
        # Not `labels=part`: compiled for AVX2, torch 2.13 fails at the -100 that transformers puts in the last place.
        logits = model(input_ids=part).logits[:, :-1]
        return torch.nn.functional.cross_entropy(logits.flatten(0, 1), part[:, 1:].flatten())

    call = torch.compile(loss) if request["variant"] == "compiled" else loss
    tx = torch.optim.AdamW(model.parameters(), lr=1e-4, betas=(0.9, 0.95), weight_decay=0.1, fused=True)
    with np.load(Path(request["folder"]) / "data.npz") as data:
        tokens = torch.from_numpy(data["tokens"].astype(np.int64))[:, :-1]
    done = 0

    def once(rows: int) -> None:
        nonlocal done
        at = done % (len(tokens) // BATCH) * BATCH
        batch = tokens[at : at + BATCH]
        done += 1
        for part in batch.split(rows):
            (call(part) * len(part) / len(batch)).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        tx.step()
        tx.zero_grad(set_to_none=True)

    choices = [request["rows_at_once"]] if request["rows_at_once"] else [1, 2, 4]
    times = {rows: repeat(lambda rows=rows: once(rows), request["seconds"] / len(choices)) for rows in choices}
    rows = min(times, key=times.__getitem__)
    return {"rate": BATCH * tokens.shape[1] / times[rows], "unit": "tokens/s", "rows_at_once": rows}


def prompts(request: dict[str, Any]) -> Any:
    import numpy as np

    with np.load(Path(request["folder"]) / "data.npz") as data:
        return data["tokens"][: request["rows"], : request["prompt"]].astype(np.int64)


def lemur_generation(request: dict[str, Any]) -> dict[str, Any]:
    profile(request)
    import numpy as np

    from lemur.inference.compiled_programs import STEPS, Programs, bucket
    from lemur.model import folder

    config, model = folder.load(Path(request["folder"]))
    programs = Programs(model)
    prompt = prompts(request).astype(np.int32)
    length = bucket(prompt.shape[1], config.max_position_embeddings)
    cache_length = bucket(prompt.shape[1] + request["new"], config.max_position_embeddings)
    tokens = np.zeros((len(prompt), length), np.int32)
    tokens[:, : prompt.shape[1]] = prompt
    lengths, keys = np.full(len(prompt), prompt.shape[1], np.int32), np.zeros((len(prompt), 2), np.uint32)
    temperature = request.get("temperature", 0.0)
    text: list[Any] = []

    def once() -> None:
        parts = programs.generate(None, tokens, lengths, keys, temperature, cache_length=cache_length)
        text[:] = islice(parts, 1 + math.ceil((request["new"] - 1) / STEPS))

    started = time.monotonic()
    once()
    compiled = time.monotonic() - started
    seconds = repeat(once, request["seconds"])
    return {
        "rate": len(prompt) * request["new"] / seconds,
        "unit": "tokens/s",
        "compile_s": compiled - seconds,
        "text": _hash(np.concatenate(text, axis=1)[:, : request["new"]]),
    }


def lemur_scoring(request: dict[str, Any]) -> dict[str, Any]:
    profile(request)
    import numpy as np

    from lemur.inference.compiled_programs import Programs
    from lemur.model import folder

    _, model = folder.load(Path(request["folder"]))
    programs = Programs(model)
    with np.load(Path(request["folder"]) / "data.npz") as data:
        tokens = data["tokens"][: request["rows"]].astype(np.int32)
    seconds = repeat(lambda: programs.each_token(tokens), request["seconds"])
    return {"rate": tokens.size / seconds, "unit": "tokens/s"}


def lemur_heldout(request: dict[str, Any]) -> dict[str, Any]:
    profile(request)
    import jax
    import numpy as np
    from flax import nnx

    from lemur.model import folder
    from lemur.training.loss import token_losses

    _, model = folder.load(Path(request["folder"]), dtype="float32")
    graph, weights = nnx.split(model)
    # As training.monitoring.heldout.
    losses = jax.jit(lambda weights, tokens, targets: token_losses(nnx.merge(graph, weights), tokens, targets))
    with np.load(Path(request["folder"]) / "data.npz") as data:
        rows = data["tokens"][: request["rows"]].astype(np.int32)
    seconds = repeat(lambda: losses(weights, rows[:, :-1], rows[:, 1:]).block_until_ready(), request["seconds"])
    return {"rate": rows[:, 1:].size / seconds, "unit": "tokens/s"}


def torch_generation(request: dict[str, Any]) -> dict[str, Any]:
    import torch
    from transformers import LlamaForCausalLM

    torch.set_num_threads(request["threads"])
    model = LlamaForCausalLM.from_pretrained(request["folder"], dtype=torch.float32).eval()
    prompt = torch.from_numpy(prompts(request))
    settings = {"max_new_tokens": request["new"], "do_sample": False, "eos_token_id": None, "pad_token_id": 0}
    if request["variant"] == "static":
        settings["cache_implementation"] = "static"  # transformers compiles the model for it
    text: list[Any] = []

    def once() -> None:
        with torch.inference_mode():
            text[:] = [model.generate(prompt, attention_mask=torch.ones_like(prompt), **settings)]

    seconds = repeat(once, request["seconds"])
    new = text[0].numpy()[:, prompt.shape[1] :]
    return {"rate": len(prompt) * request["new"] / seconds, "unit": "tokens/s", "text": _hash(new)}


def _hash(tokens: Any) -> str:
    """Short hash of the text, to see whether both sides generate the same."""
    import hashlib

    import numpy as np

    return hashlib.sha256(np.ascontiguousarray(tokens, np.int32).tobytes()).hexdigest()[:8]


if __name__ == "__main__":
    main()
