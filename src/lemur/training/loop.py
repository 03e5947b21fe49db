"""The loop that the three trainings share."""

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import jax
import numpy as np
from flax import nnx
from tqdm import tqdm

from lemur.corpus.loader import Loader
from lemur.corpus.shards import Shards
from lemur.model.llama import Llama
from lemur.records import Record
from lemur.training.checkpoint import Checkpoints, fingerprint
from lemur.training.curve import Row, write_curve
from lemur.training.heldout import Heldout
from lemur.training.loss import prepare
from lemur.training.optimizer import learning_rate, optimizer
from lemur.training.params import TrainingParams
from lemur.training.step import compile_step

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Trained:
    """The trained model and the numbers of the stage's report. `done` removes what a resume would have needed."""

    model: Llama
    summary: Record
    done: Callable[[], None]


def train(
    model: Llama,
    shards: Shards,
    params: TrainingParams,
    *,
    steps: int,
    origin: str,
    curve: Path,
    heldout: Heldout | None = None,
    eval_every: int = 1,
) -> Trained:
    """Train `model` (its arrays are used up) and write its curve.

    Args:
        steps: of the optimizer; 0 only measures.
        origin: hash of what the model was made from, part of the checkpoints' identity.
        heldout: measured before the first step, every `eval_every` steps and after the last.

    Raises `FloatingPointError` with the step where a loss or norm is not finite, `ValueError` for shards that do not
    fit the model.
    """
    _check(model, shards)
    graph, weights = nnx.split(model)
    measure = (lambda state: heldout.measure(graph, state["params"])) if heldout else (lambda state: {})
    tx, rate = optimizer(params.optimizer, steps), learning_rate(params.optimizer, steps)
    identity = {"params": params.model_dump(), "steps": steps, "data": shards.fingerprint, "origin": origin}
    state = {"params": weights, "optimizer": tx.init(weights)}
    loader = Loader(shards, params.batch_size, params.seed) if steps else None
    first, tokens = 0, 0
    with Checkpoints(fingerprint(identity)) as checkpoints:
        if resumed := checkpoints.newest(state):
            first, state, record = resumed
            rows, tokens = record["rows"], record["tokens"]
            if loader:
                loader.restore(record["loader"])
            log.info("resumed after step %d of %d", first, steps)
        else:
            measured = measure(state)
            rows = [_row(0, 0, {}, measured)]
            _log(rows[0])
        step_function = compile_step(graph, tx)
        started, tokens_before = time.monotonic(), tokens
        for step in tqdm(range(first + 1, steps + 1), "training", unit="step"):
            batch = next(loader)  # type: ignore[arg-type]
            state, metrics = step_function(state, prepare(batch, params.microbatches, params.loss_normalisation))
            values = {name: float(value) for name, value in metrics.items()}
            _stop_if_not_finite(step, values, shards)
            tokens += int(np.count_nonzero(batch["segments"]))
            due = step % eval_every == 0 or step == steps
            measured = measure(state) if due else {}
            rows.append(_row(step, tokens, {**values, "learning_rate": float(rate(step - 1))}, measured))
            if due and heldout:
                _log(rows[-1])
            if step < steps and loader:
                checkpoints.save(step, state, {"rows": rows, "tokens": tokens, "loader": loader.state()})
        seconds = time.monotonic() - started
    log.info("%d tokens in %d steps, %.0f tokens/s", tokens, steps, (tokens - tokens_before) / max(seconds, 1e-9))
    write_curve(curve, rows)
    trained: Llama = nnx.merge(graph, state["params"])
    losses = [row["loss"] for row in rows if "loss" in row]
    summary = {
        "parameters": sum(leaf.size for leaf in jax.tree.leaves(state["params"])),
        "vocab_size": model.config.vocab_size,
        "steps": steps,
        "tokens": tokens,
        "epochs": round(steps * params.batch_size / len(shards), 4) if len(shards) else 0.0,
        "sequences": len(shards),
        "data": shards.fingerprint,
        "loss": {"first": losses[0], "last": losses[-1]} if losses else None,
        "heldout": measured,
    }
    return Trained(trained, summary, checkpoints.remove)


def _check(model: Llama, shards: Shards) -> None:
    config, where = model.config, shards.folder / "manifest.json"
    if (vocab := shards.manifest["vocab_size"]) > config.vocab_size:
        raise ValueError(
            f"{where}: tokens of a vocabulary of {vocab}, but the model has {config.vocab_size}; "
            "pack the data with this model's tokenizer"
        )
    if shards.sequence_length > config.max_position_embeddings:
        raise ValueError(
            f"{where}: sequences of {shards.sequence_length} tokens, but the model's positions end at "
            f"{config.max_position_embeddings} (max_position_embeddings); pack shorter sequences"
        )


def _stop_if_not_finite(step: int, values: dict[str, float], shards: Shards) -> None:
    bad = {name: value for name, value in values.items() if not math.isfinite(value)}
    if bad:
        raise FloatingPointError(
            f"step {step}: {bad}, training on {shards.folder}; no model was written. Lower "
            "optimizer.peak_learning_rate, or look at this step's batch with lemur.corpus.loader.inspect"
        )


def _row(step: int, tokens: int, values: dict[str, float], measured: dict[str, Record]) -> Row:
    heldout = {f"heldout_{group}_loss": result["loss"] for group, result in measured.items()}
    return {"step": step, "tokens": tokens, **values, **heldout}


def _log(row: Row) -> None:
    values = ", ".join(f"{name} {value:.4g}" for name, value in row.items() if value is not None)
    log.info("%s", values)
