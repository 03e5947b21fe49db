"""The training loop that all three trainings share."""

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import jax
import numpy as np
from flax import nnx
from jax.sharding import Mesh
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from lemur.core.records import Record
from lemur.model.llama import Llama
from lemur.tokens.shards import Shards
from lemur.training import devices
from lemur.training.batches import Batches, SourceLosses, finite
from lemur.training.checkpoint import Checkpoints, SigtermFlag, code_hash, numerics_profile
from lemur.training.monitoring import anomaly
from lemur.training.monitoring.curve import Row, write_curve
from lemur.training.monitoring.heldout import Heldout
from lemur.training.monitoring.live import Live
from lemur.training.optimizer import learning_rate, optimizer
from lemur.training.params import TrainingParams
from lemur.training.step import compile_step, state_shardings

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Trained:
    """The trained model and the numbers for the stage's report. Call `remove_checkpoints` once both are written."""

    model: Llama
    summary: Record
    remove_checkpoints: Callable[[], None]


def train(
    model: Llama,
    shards: Shards,
    params: TrainingParams,
    *,
    steps: int,
    origin: str,
    curve: Path,
    mesh: Mesh | None = None,
    heldout: Heldout | None = None,
) -> Trained:
    """Train `model`, whose arrays are consumed, and write its curve.

    Args:
        steps: optimizer steps; 0 only measures.
        origin: hash of what the model was made from; part of the checkpoints' identity.
        mesh: from `devices.make_mesh`.
        heldout: documents to measure before the first step, every `params.eval_every` steps and after the last.

    Raises `FloatingPointError` with the step whose loss or norm is an anomaly (params.anomaly), `ValueError` for shards
    or a mesh that do not fit the model, `SystemExit` after SIGTERM, when the state is saved.
    """
    _check(model, shards)
    devices.check_mesh(params, model.config)
    with devices.use_mesh(mesh), SigtermFlag() as terminated:
        return _train(model, shards, params, steps, origin, curve, mesh, heldout, terminated)


def _train(
    model: Llama,
    shards: Shards,
    params: TrainingParams,
    steps: int,
    origin: str,
    curve: Path,
    mesh: Mesh | None,
    heldout: Heldout | None,
    terminated: Callable[[], bool],
) -> Trained:
    kernel = jax.devices()[0].platform == "tpu"
    model.attention = "splash" if kernel else "xla"
    graph, weights = nnx.split(model)
    measure = (lambda state: heldout.measure(graph, state["params"], mesh)) if heldout else (lambda state: {})
    tx, rate = optimizer(params.optimizer, steps), learning_rate(params.optimizer, steps)
    shardings = state_shardings(mesh, tx, weights) if mesh else None
    state = {"params": weights, "optimizer": tx.init(weights)}
    if shardings:
        # Resized weights and the optimizer's whole state are not sharded yet.
        state = jax.device_put(state, shardings)
    multiple = devices.length_multiple(mesh, kernel)
    batches = Batches(shards, params, mesh, multiple=multiple) if steps else None
    name = curve.name.strip(".").split(".")[0]
    # The mesh is part of the profile: on another mesh it is the same training with other bits.
    identity = {
        "stage": name,
        "params": params.model_dump(exclude={"mesh"}),
        "steps": steps,
        "data": shards.fingerprint,
        "origin": origin,
        "code": code_hash(),
    }
    profile = numerics_profile(params.mesh.sizes())
    first, tokens, source_losses = 0, 0, SourceLosses(shards.sources)
    data: list[Record] = []
    with (
        logging_redirect_tqdm(),
        Checkpoints(identity, profile) as checkpoints,
        Live(name, model.config, shards.sequence_length) as live,
    ):
        if resumed := checkpoints.newest(state):
            first, state, record = resumed
            rows, tokens, profiles = record["rows"], record["tokens"], record["profiles"]
            saved_data, data = record["loader"]["fingerprint"], record["data"]
            if batches:
                batches.restore(record["loader"], allow_other_data=checkpoints.other_data)
            if saved_data == shards.fingerprint:
                source_losses.restore(record["by_source"])
            else:  # other data may have other sources, so their losses start again
                data = data or [{"after_step": 0, "data": saved_data}]
                data = [*data, {"after_step": first, "data": shards.fingerprint}]
            log.info("resumed after step %d of %d", first, steps)
            if profiles[-1]["profile"] != profile:
                profiles = [*profiles, {"after_step": first, "profile": profile}]
                log.warning("the numerics profile changed after step %d: %s", first, profile)
        else:
            measured = measure(state)
            rows, profiles = [_row(0, 0, {}, measured)], [{"after_step": 0, "profile": profile}]
            _log(rows[0], {})
        step_function = compile_step(
            graph,
            tx,
            sources=len(shards.sources),
            shardings=shardings,
            skip="skip" in (params.anomaly.not_finite, params.anomaly.spike),
        )
        started, tokens_before = time.monotonic(), tokens
        for step in tqdm(range(first + 1, steps + 1), "training", steps, initial=first, unit="step"):
            batch = batches.next(terminated())  # type: ignore[union-attr]
            limit = anomaly.loss_limit(rows, params.anomaly)
            skip_limit = np.float32(limit if params.anomaly.spike == "skip" else math.inf)
            state, metrics = step_function(state, batch.arrays, skip_limit)
            nats = np.asarray(metrics.pop("by_source"), np.float64)
            values = {name: float(value) for name, value in metrics.items()}
            tokens += batch.tokens
            row = _row(step, tokens, {**values, "learning_rate": float(rate(step - 1))}, {})
            row |= anomaly.z_scores(rows, values, params.anomaly.window)
            anomaly.judge(rows, row, limit, params.anomaly, str(shards.folder))
            if not row["skipped"]:
                source_losses.add(nats, batch.targets)
            speed = live.step(row, params.batch_size)
            due = step % params.eval_every == 0 or step == steps
            if due:
                measured = measure(state)
                row |= _heldout_columns(measured) | source_losses.means()
            rows.append(row)
            if due:
                _log(row, speed)
                live.restart_clock()
            if step < steps and batches:
                record = {
                    "rows": rows,
                    "tokens": tokens,
                    "loader": batches.state(),
                    "by_source": source_losses.state(),
                    "profiles": profiles,
                    "data": data,
                }
                checkpoints.save(step, state, record, now=batch.stop)
                if batch.stop:
                    raise SystemExit(
                        f"SIGTERM after step {step} of {steps}: "
                        + ("the state is saved, and the next run resumes from it" if checkpoints.every else "not saved")
                    )
        seconds = time.monotonic() - started
    log.info("%d tokens in %d steps, %.0f tokens/s", tokens, steps, (tokens - tokens_before) / max(seconds, 1e-9))
    write_curve(curve, rows, shards.sources)
    trained: Llama = nnx.merge(graph, state["params"])
    losses = finite([row.get("loss") for row in rows])
    summary = {
        "parameters": sum(leaf.size for leaf in jax.tree.leaves(state["params"])),
        "vocab_size": model.config.vocab_size,
        "steps": steps,
        "tokens": tokens,
        "epochs": round(steps * params.batch_size / len(shards), 4) if len(shards) else 0.0,
        "sequences": len(shards),
        "data": shards.fingerprint,
        "loss": {"first": losses[0], "last": losses[-1]} if losses else None,
        "spikes": sum(int(row.get("spike") or 0) for row in rows),
        "skipped": sum(int(row.get("skipped") or 0) for row in rows),
        "heldout": measured,
    }
    if len(profiles) > 1:
        # The bits then belong to no single profile.
        summary["profiles"] = profiles
    if data:
        # LEMUR_RESUME=other-data: the model then does not follow from the stage's inputs alone.
        summary["other_data"] = data
    return Trained(trained, summary, checkpoints.remove)


def _check(model: Llama, shards: Shards) -> None:
    config, manifest = model.config, shards.folder / "manifest.json"
    if (vocab := shards.manifest["vocab_size"]) > config.vocab_size:
        raise ValueError(
            f"{manifest}: tokens of a vocabulary of {vocab}, but the model has {config.vocab_size}; "
            "pack the data with this model's tokenizer"
        )
    if shards.sequence_length > config.max_position_embeddings:
        raise ValueError(
            f"{manifest}: sequences of {shards.sequence_length} tokens, but the model's positions end at "
            f"{config.max_position_embeddings} (max_position_embeddings); pack shorter sequences"
        )


def _row(step: int, tokens: int, values: dict[str, float], measured: dict[str, Record]) -> Row:
    return {"step": step, "tokens": tokens, **values, **_heldout_columns(measured)}


def _heldout_columns(measured: dict[str, Record]) -> Row:
    return {f"heldout_{group}_loss": result["loss"] for group, result in measured.items()}


def _log(row: Row, speed: dict[str, float]) -> None:
    values = ", ".join(f"{name} {value:.4g}" for name, value in {**row, **speed}.items() if value is not None)
    log.info("%s", values)
