import os
import signal
import sys
from concurrent.futures.process import BrokenProcessPool
from itertools import count, islice

import pytest

from lemur.core.parallel import Pool
from tests.maps import map_in_order


def start(offset):
    return offset


def add(offset, value):
    return value + offset


def fail(value):
    if value == 5:
        raise ValueError(f"value {value}")
    return value


def die(value):
    if value == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    return value


@pytest.mark.parametrize("workers", ["1", "3"])
def test_results_are_ordered_and_batches_are_read_lazily(monkeypatch, workers):
    monkeypatch.setenv("LEMUR_WORKERS", workers)
    batches_read = []
    endless = (batches_read.append(number) or number for number in count())
    results = map_in_order(add, endless, start=start, arguments=(10,))
    assert list(islice(results, 20)) == list(range(10, 30))
    assert len(batches_read) <= 20 + 2 * int(workers)
    results.close()
    assert list(map_in_order(add, [])) == []
    assert list(map_in_order(add, [1], start=start, arguments=(10,))) == [11]


def process(value):
    return os.getpid()


def test_a_pool_that_runs_here_starts_no_process(monkeypatch):
    monkeypatch.setenv("LEMUR_WORKERS", "2")
    with Pool(here=True) as here, Pool() as pool:
        assert set(here.map(process, range(9))) == {os.getpid()}
        assert os.getpid() not in set(pool.map(process, range(9)))


@pytest.mark.parametrize("workers", ["1", "2"])
def test_an_error_in_a_worker_is_raised(monkeypatch, workers):
    monkeypatch.setenv("LEMUR_WORKERS", workers)
    with pytest.raises(ValueError, match="value 5"):
        list(map_in_order(fail, range(20)))


def test_a_killed_worker_ends_the_stage(monkeypatch):
    monkeypatch.setenv("LEMUR_WORKERS", "2")
    message = r"one of this stage's 2 worker processes was killed\. .*memory ran out.*\(LEMUR_WORKERS=1\)"
    with pytest.raises(BrokenProcessPool, match=message):
        list(map_in_order(die, range(20)))


@pytest.mark.parametrize("engine", ["spark", "dask", "dask:", "local:x", "Dask:file"])
def test_an_unknown_engine_is_refused_before_any_work(monkeypatch, engine):
    monkeypatch.setenv("LEMUR_ENGINE", engine)
    with pytest.raises(SystemExit, match=f"LEMUR_ENGINE is '{engine}'; it must be local or dask:SCHEDULER_FILE"):
        Pool()


@pytest.mark.parametrize("engine", ["", "local"])
def test_the_local_engine_by_name(monkeypatch, engine):
    monkeypatch.setenv("LEMUR_ENGINE", engine)
    monkeypatch.setenv("LEMUR_WORKERS", "2")
    assert list(map_in_order(fail, range(5))) == list(range(5))


def test_dask_without_its_package(monkeypatch, tmp_path):
    monkeypatch.setenv("LEMUR_ENGINE", f"dask:{tmp_path}/scheduler.json")
    monkeypatch.setitem(sys.modules, "distributed", None)  # as if it were not installed
    assert list(map_in_order(fail, [1])) == [1]  # a single batch runs here
    with pytest.raises(SystemExit, match="distributed is not installed; `make dask` installs it"):
        list(map_in_order(fail, range(3)))
