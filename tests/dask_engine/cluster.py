"""A Dask scheduler and workers as real processes on 127.0.0.1, started with the commands of docs/scale.md."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil

from tests.processes import until

ROOT = Path(__file__).resolve().parents[2]
DASK = str(Path(sys.executable).with_name("dask"))


class DaskCluster:
    """Its logs and its scheduler file are in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "scheduler.json"
        self.scheduler: subprocess.Popen[bytes] | None = None
        self.nannies: list[subprocess.Popen[bytes]] = []

    def start(self, workers: int) -> None:
        self.start_scheduler()
        for _ in range(workers):
            self.start_worker()
        self.wait_for(workers)

    def start_scheduler(self) -> None:
        self.file.unlink(missing_ok=True)
        # A test may kill more workers under the same shard than the three that Dask allows.
        self.scheduler = self._start(
            ["scheduler", "--host", "127.0.0.1", "--port", "0"], DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES="100"
        )
        until(lambda: self.file.exists() and self.file.read_bytes().endswith(b"}"), 60)

    def start_worker(self, *options: str, cwd: Path | None = None, **variables: str) -> None:
        options = options or ("--nthreads", "1")
        command = ["worker", "--host", "127.0.0.1", "--local-directory", str(self.folder), *options]
        self.nannies.append(self._start(command, cwd, **variables))

    def workers(self) -> list[psutil.Process]:
        """The processes that run calls: each nanny's child, and it starts another when one is killed."""
        found = []
        for nanny in self.nannies:
            try:
                found += [child for child in psutil.Process(nanny.pid).children() if _is_worker(child)]
            except psutil.Error:
                continue
        return found

    def wait_for(self, workers: int) -> None:
        """Wait until the scheduler knows this many workers."""
        from distributed import Client

        with Client(self.address(), set_as_default=False) as client:
            client.wait_for_workers(workers, timeout=60)

    def address(self) -> str:
        return str(json.loads(self.file.read_bytes())["address"])

    def kill_scheduler(self) -> None:
        assert self.scheduler
        self.scheduler.kill()
        self.scheduler.wait()

    def stop(self) -> None:
        processes = [*self.nannies, *([self.scheduler] if self.scheduler else [])]
        for process in processes:
            # A worker is in its nanny's group, so nothing of the cluster outlives the test.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self.nannies, self.scheduler = [], None

    def _start(self, arguments: list[str], cwd: Path | None = None, **variables: str) -> subprocess.Popen[bytes]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("LEMUR_")}
        environment = {**inherited, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}", **variables}
        command = [DASK, *arguments, "--no-dashboard", "--scheduler-file", str(self.file)]
        with (self.folder / f"{arguments[0]}-{time.monotonic_ns()}.log").open("wb") as log:
            return subprocess.Popen(
                command, cwd=cwd or self.folder, env=environment, stdout=log, stderr=log, start_new_session=True
            )


def _is_worker(process: psutil.Process) -> bool:
    try:
        return "resource_tracker" not in " ".join(process.cmdline())
    except psutil.Error:
        return False
