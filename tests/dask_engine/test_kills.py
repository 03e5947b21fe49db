"""`kill -9` of a worker, of the scheduler and of the stage itself, at random moments of a stage of several seconds."""

import os
import random
import subprocess
import time
from pathlib import Path

import pytest

from lemur.corpus.documents import shard_name
from tests.corpus.builders import files
from tests.dask_engine.cluster import DaskCluster
from tests.dask_engine.stage import Stage

SHARDS = 7
KILLS = 20


def finished(process: subprocess.Popen[str]) -> tuple[int, str]:
    _, errors = process.communicate(timeout=200)
    return process.returncode, errors


def whole(folder: Path, reference: dict[str, bytes]) -> None:
    """Every file among the outputs, finished or not, is a whole one of the reference."""
    for name, data in files(folder).items():
        parts = Path(name).parts
        if parts[0].endswith(".scratch.partial"):
            continue
        assert data == reference["/".join([parts[0].removeprefix(".").removesuffix(".partial"), *parts[1:]])], name


@pytest.mark.timeout(3000)
def test_kills_at_random_moments(cluster: DaskCluster, tmp_path: Path) -> None:
    stage = Stage(tmp_path / "stage", shards=SHARDS, shard_bytes=1_000_000)
    assert finished(stage.start("local", "local"))[0] == 0
    reference = files(tmp_path / "stage" / "local")
    assert len(reference) > 2 * SHARDS and len(reference[f"kept/{shard_name('books', 3)}"]) > 10_000
    cluster.start(2)
    engine = f"dask:{cluster.file}"
    start = time.monotonic()
    assert finished(stage.start(engine, "undisturbed"))[0] == 0
    seconds = time.monotonic() - start
    assert files(tmp_path / "stage" / "undisturbed") == reference

    moment = random.Random(int(os.environ.get("KILL_SEED", "0")))
    ended = []
    for number in range(KILLS):
        victim = moment.choice(["worker", "scheduler", "stage"])
        out = tmp_path / "stage" / f"kill-{number}"
        process = stage.start(engine, out.name)
        time.sleep(moment.uniform(0.2, 1) * seconds)
        if victim == "worker":
            moment.choice(cluster.workers()).kill()
        elif victim == "scheduler":
            cluster.kill_scheduler()
        else:
            process.kill()
        code, errors = finished(process)
        ended.append((victim, code))
        whole(out, reference)
        if victim == "worker":
            assert code == 0, errors
        elif code and victim == "scheduler":
            assert "the Dask scheduler at " in errors or "LEMUR_ENGINE: no scheduler at " in errors, errors
            cluster.stop()
            cluster.start(2)
        elif victim == "scheduler":
            cluster.stop()
            cluster.start(2)
        if code:
            # At once, while workers may still run shards of the stage that was killed.
            code, errors = finished(stage.start(engine, out.name))
            assert code == 0, errors
        assert files(out) == reference, (number, victim)
    assert {victim for victim, _ in ended} == {"worker", "scheduler", "stage"}
    assert sum(code != 0 for _, code in ended) >= KILLS // 4, ended  # the kills met running stages
    print(seconds, ended)
