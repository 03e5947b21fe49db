"""Live log of a running training: its curve, and its speed and memory, which always differ and so enter no artifact."""

import json
import logging
import os
import resource
import time
from typing import Any, Self

import jax

from lemur.core.files import ROOT
from lemur.model.config import LlamaConfig
from lemur.training.flops import flops_per_token, peak_flops
from lemur.training.monitoring.curve import Row

log = logging.getLogger(__name__)


class Live:
    """Appends one line per step to `.lemur/live/NAME.jsonl`, and logs to the MLflow server in LEMUR_LIVE_MLFLOW.

    Best effort: a failure is logged once and never stops or changes the training.
    """

    def __init__(self, name: str, config: LlamaConfig, length: int) -> None:
        self._name, self._length = name, length
        self._flops = flops_per_token(config, length)
        device_peak = peak_flops(jax.devices()[0].device_kind)
        self._peak = device_peak * jax.device_count() if device_peak else None
        self._is_first_process = jax.process_index() == 0
        self._file: Any = None
        self._mlflow: Any = None
        self._last_step_end, self._last_cpu = time.monotonic(), time.process_time()

    def __enter__(self) -> Self:
        if self._is_first_process:
            try:
                folder = ROOT / ".lemur" / "live"
                folder.mkdir(parents=True, exist_ok=True)
                self._file = (folder / f"{self._name}.jsonl").open("w", encoding="utf-8")
                if os.environ.get("LEMUR_LIVE_MLFLOW"):
                    self._start_mlflow()
            except Exception as error:  # best effort
                log.warning("no live log: %s", error)
        return self

    def _start_mlflow(self) -> None:
        import mlflow

        mlflow.set_tracking_uri(os.environ["LEMUR_LIVE_MLFLOW"])
        mlflow.set_experiment("lemur-live")
        mlflow.start_run(run_name=self._name)
        self._mlflow = mlflow

    def step(self, row: Row, rows: int) -> dict[str, float]:
        """Log a step of `rows` sequences that has just ended; returns its speed."""
        now = time.monotonic()
        seconds, self._last_step_end = max(now - self._last_step_end, 1e-9), now
        speed = {"tokens_per_second": rows * self._length / seconds, "seconds": seconds}
        if self._peak:
            speed["mfu"] = speed["tokens_per_second"] * self._flops / self._peak
        cpu, self._last_cpu = time.process_time() - self._last_cpu, time.process_time()
        load = {
            "cpu_percent": 100 * cpu / seconds,  # of one core
            "peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }
        values = {**{k: v for k, v in row.items() if v is not None}, **speed, **load}
        try:
            if self._file:
                print(json.dumps(values), file=self._file, flush=True)
        except Exception as error:  # best effort
            log.warning("the live log file ends here: %s", error)
            self._file = None
        try:
            if self._mlflow:
                self._mlflow.log_metrics({k: float(v) for k, v in values.items() if k != "step"}, step=row["step"])
        except Exception as error:  # best effort
            log.warning("the live log to MLflow ends here: %s", error)
            self._mlflow = None
        return speed

    def restart_clock(self) -> None:
        """Exclude the time since the last step from the next step's time."""
        self._last_step_end, self._last_cpu = time.monotonic(), time.process_time()

    def __exit__(self, *_: object) -> None:
        try:
            if self._file:
                self._file.close()
            if self._mlflow:
                self._mlflow.end_run()
        except Exception as error:  # best effort
            log.warning("the live log was not closed: %s", error)
