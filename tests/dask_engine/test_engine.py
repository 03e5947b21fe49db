"""The same results as with processes of this machine: order, states, settings, errors, lost workers."""

import os
from concurrent.futures import BrokenExecutor
from itertools import count, islice
from pathlib import Path

import pytest

from lemur.core.parallel import Pool
from lemur.core.shards import Job, map_shards, scratch_beside
from tests.corpus.builders import files
from tests.dask_engine import calls
from tests.maps import map_in_order


def jobs(folder: Path, number: int, *inputs: Path) -> list[Job]:
    return [
        Job(f"shard-{index}", inputs, {role: folder / role / f"{index}.txt" for role in ("kept", "rejects")})
        for index in range(number)
    ]


def test_order_states_and_laziness(cluster, monkeypatch):
    cluster.start(2)
    monkeypatch.setenv("LEMUR_WORKERS", "1")  # of the machine that runs the stage; Dask's are as many as there are
    with Pool() as pool:
        rows = list(pool.map(calls.process, range(40), start=calls.own_process, arguments=("first",)))
        again = list(pool.map(calls.process, range(40), start=calls.own_process, arguments=("second",)))
        assert list(pool.map(calls.repeat, range(9), start=calls.upper, arguments=("a",))) == [
            "A" * number for number in range(9)
        ]
        read = []
        endless = (read.append(number) or number for number in count())
        results = pool.map(calls.fail, (number + 100 for number in endless))
        assert list(islice(results, 30)) == list(range(100, 130))
        assert len(read) <= 30 + 2 * 2
        results.close()
    assert [number for number, _, _ in rows] == list(range(40))
    processes = {process for _, process, _ in rows}
    assert len(processes) == 2 and os.getpid() not in processes
    assert {process for _, process, _ in again} == processes
    assert all(process == state for _, process, state in rows + again)


def test_a_worker_has_the_folder_and_variables_of_a_process_of_this_machine(cluster, tmp_path, monkeypatch):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    foreign = {
        "NUMEXPR_NUM_THREADS": "7",
        "JAX_PLATFORMS": "cuda",
        "LEMUR_MIRROR": "/nowhere",
        "RAYON_NUM_THREADS": "9",
    }
    cluster.start_scheduler()
    cluster.start_worker(cwd=elsewhere, **foreign)
    monkeypatch.chdir(tmp_path)
    for name, value in {"OMP_NUM_THREADS": "1", "NPROC": "1", "TOKENIZERS_PARALLELISM": "false"}.items():
        monkeypatch.setenv(name, value)
    engine = os.environ["LEMUR_ENGINE"]
    monkeypatch.setenv("LEMUR_WORKERS", "2")
    # An earlier stage with other settings leaves nothing behind.
    monkeypatch.setenv("XLA_FLAGS", "--earlier")
    assert next(map_in_order(calls.surroundings, range(4)))[1]["XLA_FLAGS"] == "--earlier"
    monkeypatch.delenv("XLA_FLAGS")
    on_dask = list(map_in_order(calls.surroundings, range(4)))
    monkeypatch.setenv("LEMUR_ENGINE", "local")
    here = list(map_in_order(calls.surroundings, range(4)))
    assert engine.startswith("dask:")
    for folder, variables in here:
        assert variables.pop("LEMUR_ENGINE") == "local" and variables.pop("LEMUR_WORKERS") == "2"
        assert folder == str(tmp_path) and variables["NPROC"] == "1" and "JAX_PLATFORMS" not in variables
    for _, variables in on_dask:
        assert variables.pop("LEMUR_WORKERS") == "1"
    assert on_dask == here


def test_only_numpy_is_loaded_before_a_stage_hands_over_its_settings(cluster):
    """`test_refusals` has a worker whose NumPy has read other settings."""
    cluster.start(1)
    assert list(map_in_order(calls.libraries, range(3))) == [{"numpy"}] * 3


def test_errors_are_those_of_the_call(cluster):
    cluster.start(2)
    with Pool() as pool:
        with pytest.raises(ValueError, match="number 5 is odd"):
            list(pool.map(calls.fail, range(20)))
        with pytest.raises(SystemExit, match=r"params.yaml: no such key"):
            list(pool.map(calls.fail, range(0, -20, -1)))
        with pytest.raises(TimeoutError, match="the call's own"):
            list(pool.map(calls.fail, range(50, 60)))
        assert list(pool.map(calls.fail, range(5))) == list(range(5))  # the workers live on


def test_an_error_waits_for_calls_that_still_write(cluster, tmp_path):
    cluster.start(2)
    with (
        scratch_beside(tmp_path / "out" / "kept") as scratch,
        pytest.raises(RuntimeError, match="the disk is full"),
    ):
        list(map_shards(calls.slow_or_fail, jobs(tmp_path / "out", 4), scratch=scratch))
    assert not scratch.exists() and "kept/0.txt" not in files(tmp_path / "out")


def test_a_shard_whose_worker_is_killed_runs_again(cluster, tmp_path, monkeypatch):
    cluster.start(2)
    results = {}
    for name in ("on_dask", "local"):
        died = tmp_path / "died"
        if name == "local":
            monkeypatch.setenv("LEMUR_ENGINE", "local")
        out = tmp_path / name
        with scratch_beside(out / "kept") as scratch:
            assert list(map_shards(calls.die_once, jobs(out, 8, died), scratch=scratch)) == [
                f"shard-{index}" for index in range(8)
            ]
        assert died.exists()
        results[name] = files(out)
    assert results["on_dask"] == results["local"] and len(results["on_dask"]) == 16


def test_a_call_that_ends_every_worker_ends_the_stage(cluster):
    cluster.start_scheduler()
    cluster.start_worker()
    # Dask's own default, which `ALLOWED_FAILURES` of these tests hides.
    from distributed import Client

    with Client(cluster.address(), set_as_default=False) as client:
        client.run_on_scheduler(_allow_three)
    with pytest.raises(BrokenExecutor, match=r"4 Dask workers ended .*--memory-limit.*ALLOWED_FAILURES"):
        list(map_in_order(calls.die, range(2)))


def _allow_three(dask_scheduler):
    dask_scheduler.allowed_failures = 3
