"""A run that is killed at random moments and started again ends with the bytes of an undisturbed one."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from lemur import sandbox
from tests.tools import ROOT

pytestmark = pytest.mark.skipif(not sandbox.available(), reason=str(sandbox.why_unavailable()))


@pytest.mark.parametrize("kills", [3, pytest.param(20, marks=[pytest.mark.slow, pytest.mark.timeout(900)])])
@pytest.mark.parametrize("stage", ["mint", "alfworld"])
def test_same_bytes_after_kills(stage: str, kills: int, source: Callable[..., Path], tmp_path: Path) -> None:
    def start(name: str) -> "subprocess.Popen[bytes]":
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        paths = [source(stage), source("mint"), folder]
        environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}", "LEMUR_ANSWERS": str(folder / "record")}
        return subprocess.Popen(
            [sys.executable, "-m", "tests.agents.killed_run", stage, *map(str, paths)],
            env=environment,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    began = time.monotonic()
    assert start("undisturbed").wait() == 0
    whole = time.monotonic() - began
    rng = random.Random(kills)
    unfinished = 0
    for _ in range(kills):
        run = start("killed")
        try:
            run.wait(rng.uniform(0.3, 0.9) * whole)
        except subprocess.TimeoutExpired:
            os.killpg(run.pid, signal.SIGKILL)
            run.wait()
        unfinished += not (tmp_path / "killed/result.json").exists()
        for file in ("result.json", "samples.jsonl"):
            if run.returncode == 0:
                (tmp_path / "killed" / file).unlink()  # as a stage that has to run again
    assert unfinished
    assert start("killed").wait() == 0
    for file in ("result.json", "samples.jsonl"):
        assert (tmp_path / "killed" / file).read_bytes() == (tmp_path / "undisturbed" / file).read_bytes()
