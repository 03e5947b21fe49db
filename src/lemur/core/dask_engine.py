"""Run a stage's calls on a Dask cluster: the client's side of LEMUR_ENGINE=dask:SCHEDULER_FILE (docs/scale.md)."""

import json
import math
import os
import pickle
import time
from collections.abc import Callable
from concurrent.futures import BrokenExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

from lemur.core.dask_worker import CODE, NONE, Exited, Stage, busy, differences, versions
from lemur.core.environment_variables import stage_settings
from lemur.core.files import ENVIRONMENT, ROOT, read_yaml

WAIT_S = 60  # for the scheduler file, a first worker, and another one when all are lost
CONNECT_S = 20
POLL_S = 5
WORKER = "dask worker --scheduler-file {file} --nthreads 1 --nworkers N"
# Of the driver alone, or with another value on a worker, which is one process beside others.
OWN = ("LEMUR_ENGINE", "LEMUR_JOB", "LEMUR_WORKERS")


class Cluster:
    """The workers of the scheduler that a file names, for one stage. They may come and go."""

    def __init__(self, scheduler_file: Path) -> None:
        """Raises `SystemExit` if there is no scheduler or no worker within `WAIT_S` each, or a worker is refused."""
        try:
            from distributed import Client, KilledWorker
        except ModuleNotFoundError as error:
            raise SystemExit(f"LEMUR_ENGINE=dask: {error.name} is not installed; `make dask` installs it") from None
        self._killed = KilledWorker
        self._file = scheduler_file
        self._address = _address(scheduler_file)
        try:
            self._client = Client(self._address, timeout=CONNECT_S, set_as_default=False)
        except OSError as error:
            raise SystemExit(
                f"LEMUR_ENGINE: no scheduler at {self._address}, which {scheduler_file} names: {error}. If it has "
                f"ended, start another: `dask scheduler --no-dashboard --scheduler-file {scheduler_file}`"
            ) from None
        self._size, self._counted, self._last_seen = 1, -math.inf, time.monotonic()
        self._lost = False
        token = uuid4().hex
        own = {name: value for name, value in stage_settings(os.environ).items() if name not in OWN}
        recorded = [*read_yaml(ENVIRONMENT)["packages"], "dask", "distributed"]
        self._stage = Stage(
            token,
            Path.cwd(),
            ROOT / ".lemur" / f"dask-{token}",
            {**own, "LEMUR_WORKERS": "1"},
            {name: version for name, version in versions(recorded).items() if version != NONE},
        )
        self._pickled_stage = pickle.dumps(self._stage)
        self._stage.probe.parent.mkdir(exist_ok=True)
        self._stage.probe.touch()
        try:
            try:
                self._client.wait_for_workers(1, timeout=WAIT_S)
            except TimeoutError:
                raise SystemExit(
                    f"LEMUR_ENGINE: the scheduler at {self._address} had no worker for {WAIT_S} s; start some: "
                    + WORKER.format(file=scheduler_file)
                ) from None
            self._refuse_others()
        except BaseException:
            self.shutdown()
            raise

    def size(self) -> int:
        """How many workers there are now, at least 1. Raises `SystemExit` if one runs several calls at once, and
        `BrokenExecutor` if the scheduler does not answer or there has been no worker for `WAIT_S`."""
        now = time.monotonic()
        if now < self._counted + 1:
            return self._size
        try:
            threads = self._client.nthreads()
        except (OSError, ValueError) as error:
            raise self._lost_scheduler() from error
        if several := sorted(worker for worker, count in threads.items() if count != 1):
            raise SystemExit(
                f"LEMUR_ENGINE: the worker {several[0]} has {threads[several[0]]} threads; a call needs a process of "
                f"its own: {WORKER.format(file=self._file)}"
            )
        if threads:
            self._last_seen = now
        elif now > self._last_seen + WAIT_S:
            raise BrokenExecutor(
                f"the Dask cluster at {self._address} lost all its workers, and none came for {WAIT_S} s; start some "
                f"({WORKER.format(file=self._file)}) and run the stage again"
            )
        self._counted, self._size = now, max(1, len(threads))
        return self._size

    def submit(self, function: Callable[..., Any], batch: Any) -> "Answer":
        # A local function travels as its code, so that a worker without the project reports that instead of ending.
        def call(*arguments: bytes) -> Any:
            from lemur.core import dask_worker

            return dask_worker.call(*arguments)

        arguments = (self._pickled_stage, pickle.dumps(function), pickle.dumps(batch))
        if self._client.status != "running":
            raise self._lost_scheduler()
        return Answer(self, self._client.submit(call, *arguments, key=f"lemur-{uuid4().hex}"))

    def result(self, future: Any) -> Any:
        """Wait for a call. Raises what it raised, or `BrokenExecutor` if the cluster cannot finish it."""
        while True:
            try:
                return future.result(timeout=POLL_S)
            except Exception as error:
                if future.status == "error":
                    raise self._explained(error) from error.__cause__
                if not isinstance(error, TimeoutError):
                    raise self._lost_scheduler() from error
            self.size()

    def _explained(self, error: Exception) -> BaseException:
        """What to raise for a call's error."""
        if isinstance(error, self._killed):
            return BrokenExecutor(
                f"{error.allowed_failures + 1} Dask workers ended while they had the same shard; the last was "
                f"{error.last_worker.address}. Usually memory ran out: see the workers' logs, and start fewer "
                "workers a machine or give them more (--memory-limit). If machines are often taken away, start the "
                "scheduler with DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES=20"
            )
        self._refuse_others()  # a worker with other code may have come since
        return SystemExit(str(error)) if isinstance(error, Exited) else error

    def shutdown(self, *, cancel_futures: bool = True) -> None:
        """Wait until no worker runs a call of this stage any more: the stage removes its temporary files next."""
        try:
            while not self._lost and any(self._client.run(busy, self._stage.token, on_error="ignore").values()):
                time.sleep(0.1)
        except (OSError, ValueError):
            pass  # a scheduler that ends while it is asked: its workers end too
        finally:
            self._stage.probe.unlink(missing_ok=True)
            self._client.close()

    def _refuse_others(self) -> None:
        try:
            reports = self._client.run(differences, self._stage, on_error="return")
        except OSError as error:
            raise self._lost_scheduler() from error
        lines = [
            f"  {worker}: {line}"
            for worker, report in sorted(reports.items())
            for line in ([f"it cannot load {CODE}: {report}"] if isinstance(report, Exception) else report)
        ]
        if lines:
            raise SystemExit(
                "LEMUR_ENGINE: workers that would give other results than this process:\n" + "\n".join(lines) + "\n"
                f"Start them in a checkout of the same commit with the same packages (`make dask`), PYTHONPATH=src; "
                f"start them again after each change of {CODE} or of a package."
            )

    def _lost_scheduler(self) -> BrokenExecutor:
        self._lost = True
        return BrokenExecutor(
            f"the Dask scheduler at {self._address} has ended or cannot be reached; start it and its workers "
            "again, then run the stage again"
        )


class Answer:
    """A call's result to come, with the methods of a `concurrent.futures.Future` that a pool uses."""

    def __init__(self, cluster: Cluster, future: Any) -> None:
        self._cluster = cluster
        self._future = future

    def result(self) -> Any:
        return self._cluster.result(self._future)

    def cancel(self) -> None:
        self._future.cancel()


def _address(scheduler_file: Path) -> str:
    """The address in a scheduler file, which a scheduler that starts at the same time may still have to write."""
    deadline = time.monotonic() + WAIT_S
    while True:
        try:
            return str(json.loads(scheduler_file.read_text(encoding="utf-8"))["address"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            if time.monotonic() > deadline:
                raise SystemExit(
                    f"LEMUR_ENGINE names {scheduler_file}, which a scheduler should have written ({error}); start one: "
                    f"`dask scheduler --no-dashboard --scheduler-file {scheduler_file}`"
                ) from None
            time.sleep(0.2)
