import os
import signal
import time
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

import pytest

from lemur.core.parallel import Pool
from lemur.core.shards import Job, map_shards, scratch_beside


@dataclass(frozen=True)
class Numbered(Job):
    number: int = 0


def jobs(folder: Path, count: int = 9) -> list[Numbered]:
    return [
        Numbered(
            f"shard-{number}",
            (),
            {"kept": folder / "kept" / f"{number}.txt", "rejects": folder / "rejects" / f"{number}.txt"},
            number,
        )
        for number in range(count)
    ]


def write(job: Numbered, text: str | None = None) -> int:
    for role, path in job.outputs.items():
        path.write_text(text or f"{role} of {job.number}\n" * 1000, encoding="utf-8")
    return job.number


def late_first(job: Numbered) -> int:
    time.sleep(0.05 * (job.number % 3 == 0))  # later shards overtake these
    return write(job)


def with_state(state: str, job: Numbered) -> str:
    write(job, state)
    return state


def repeat(text: str, times: int) -> str:
    return text * times


def process(state: int, job: Numbered) -> tuple[int, int]:
    write(job)
    return os.getpid(), state


def own_process() -> int:
    return os.getpid()


def half(job: Numbered) -> int:
    """Shard 5 fails after half of its first output."""
    if job.number == 5:
        job.outputs["kept"].write_text("half", encoding="utf-8")
        if job.name == "fails":
            raise RuntimeError("the disk is full")
        os.kill(os.getpid(), signal.SIGKILL)
    return write(job)


def forgetful(job: Numbered) -> None:
    job.outputs["kept"].touch()


def contents(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): path.read_text("utf-8") for path in sorted(folder.rglob("*")) if path.is_file()
    }


def test_order_and_bytes_depend_on_neither_workers_nor_who_is_first(tmp_path, monkeypatch):
    results = []
    for workers in ("1", "2", "3"):
        monkeypatch.setenv("LEMUR_WORKERS", workers)
        out = tmp_path / workers
        with scratch_beside(out / "kept") as scratch:
            assert list(map_shards(late_first, jobs(out), scratch=scratch)) == list(range(9))
            assert not list(scratch.iterdir())
        results.append(contents(out))
    assert results[0] == results[1] == results[2]
    assert len(results[0]) == 18 and results[0]["rejects/4.txt"].startswith("rejects of 4\n")


@pytest.mark.parametrize("workers", ["1", "2"])
def test_each_process_starts_its_state_once(tmp_path, monkeypatch, workers):
    monkeypatch.setenv("LEMUR_WORKERS", workers)
    results = list(map_shards(with_state, jobs(tmp_path), scratch=tmp_path, start=repeat, arguments=("ab", 2)))
    assert results == ["abab"] * 9 and set(contents(tmp_path).values()) == {"abab"}
    pairs = list(map_shards(process, jobs(tmp_path), scratch=tmp_path, start=own_process))
    assert all(ran_in == started_in for ran_in, started_in in pairs)


def test_a_pool_serves_several_maps_with_the_same_processes(tmp_path, monkeypatch):
    monkeypatch.setenv("LEMUR_WORKERS", "2")
    with Pool() as pool:
        seen = []
        for _ in range(3):
            pairs = list(map_shards(process, jobs(tmp_path, 20), scratch=tmp_path, start=own_process, pool=pool))
            seen.append({ran_in for ran_in, _ in pairs})
        states = list(
            map_shards(with_state, jobs(tmp_path), scratch=tmp_path, start=repeat, arguments=("x", 3), pool=pool)
        )
    assert len(set().union(*seen)) <= 2 and os.getpid() not in set().union(*seen)
    assert states == ["xxx"] * 9  # not the state of the map before


def test_a_killed_worker_leaves_no_part_of_a_file(tmp_path, monkeypatch):
    monkeypatch.setenv("LEMUR_WORKERS", "2")
    with scratch_beside(tmp_path / "kept") as scratch, pytest.raises(BrokenProcessPool):
        list(map_shards(half, jobs(tmp_path), scratch=scratch))
    left = contents(tmp_path)
    assert "kept/5.txt" not in left and "rejects/5.txt" not in left
    assert all(text == f"{name.split('/')[0]} of {name[-5]}\n" * 1000 for name, text in left.items())
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("workers", ["1", "2"])
def test_an_error_leaves_no_part_of_a_file(tmp_path, monkeypatch, workers):
    monkeypatch.setenv("LEMUR_WORKERS", workers)
    work = jobs(tmp_path)
    work[5] = Numbered("fails", (), work[5].outputs, 5)
    with scratch_beside(tmp_path / "kept") as scratch, pytest.raises(RuntimeError, match="the disk is full"):
        list(map_shards(half, work, scratch=scratch))
    assert "kept/4.txt" in contents(tmp_path) and "kept/5.txt" not in contents(tmp_path)
    assert not list(tmp_path.glob(".*"))


def test_what_a_killed_run_left_in_scratch_goes_with_the_next(tmp_path):
    with scratch_beside(tmp_path / ".kept.partial") as scratch:
        assert scratch.name == ".kept.scratch.partial"
    scratch.mkdir()
    (scratch / "left").touch()
    with scratch_beside(tmp_path / ".kept.partial") as again:
        assert again == scratch and not list(again.iterdir())
    assert not scratch.exists()


def test_mistakes_in_a_stage_are_named(tmp_path):
    with pytest.raises(ValueError, match=r"shard shard-0: the stage did not write its output rejects"):
        list(map_shards(forgetful, jobs(tmp_path, 1), scratch=tmp_path))
    assert not (tmp_path / "kept").exists()
    first, second = jobs(tmp_path, 2)
    with pytest.raises(ValueError, match=r"two shards have the name shard-0"):
        list(map_shards(write, [first, Numbered(first.name, (), second.outputs)], scratch=tmp_path))
    with pytest.raises(ValueError, match=r"two shards have the output .*kept/0.txt"):
        list(map_shards(write, [first, Numbered(second.name, (), first.outputs)], scratch=tmp_path))
