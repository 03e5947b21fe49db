import json

import numpy as np
import pytest

from lemur.tokens.loader import Loader, inspect
from tests.corpus.builders import shards

STEPS = 25  # more than two epochs of 37 records in batches of 4


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return shards(tmp_path_factory.mktemp("data") / "s", 37)


def rows(batch):
    return batch["tokens"][:, 0].tolist()


def test_each_epoch_has_every_record_once_in_another_order(data):
    loader = Loader(data, 4, seed=1)
    records = [number for _ in range(STEPS) for number in rows(next(loader))]
    first, second = records[:37], records[37:74]
    assert sorted(first) == sorted(second) == list(range(37))
    assert first != second and first != list(range(37))
    assert records != [number for _ in range(STEPS) for number in rows(Loader(data, 4, seed=2)[_])]


def test_batches_after_restoring_any_state_are_identical(data):
    loader = Loader(data, 4, seed=1)
    states, batches = [], []
    for _ in range(STEPS):
        states.append(json.loads(json.dumps(loader.state())))
        batches.append(next(loader))
    for at, state in enumerate(states):
        other = Loader(data, 4, seed=1, threads=at % 3)
        other.restore(state)
        for batch in batches[at:]:
            repeated = next(other)
            assert all(np.array_equal(batch[name], repeated[name]) for name in batch)


@pytest.mark.parametrize("processes", [2, 4])
def test_processes_together_give_the_same_global_batches(data, processes):
    whole = Loader(data, 4, seed=1)
    parts = [Loader(data, 4, seed=1, process_index=index, process_count=processes) for index in range(processes)]
    for _ in range(STEPS):
        joined = np.concatenate([next(part)["tokens"] for part in parts])
        assert np.array_equal(joined, next(whole)["tokens"])


def test_a_state_resumes_with_another_number_of_processes(data):
    whole = [next(loader)["tokens"] for loader in [Loader(data, 4, seed=1)] for _ in range(STEPS)]
    for at in range(0, STEPS, 3):
        saved = Loader(data, 4, seed=1, process_index=1, process_count=2)
        saved.seek(at)
        parts = [Loader(data, 4, seed=1, process_index=index, process_count=4) for index in range(4)]
        for part in parts:
            part.restore(json.loads(json.dumps(saved.state())))
        assert np.array_equal(np.concatenate([next(part)["tokens"] for part in parts]), whole[at])


def test_any_step_is_reached_without_replaying(data):
    loader = Loader(data, 4, seed=1)
    batches = [rows(next(loader)) for _ in range(STEPS)]
    assert [rows(loader[step]) for step in range(STEPS)] == batches
    assert loader.step == STEPS
    loader.seek(3)
    assert rows(next(loader)) == batches[3]
    loader.seek(10**9)
    assert len(rows(next(loader))) == 4


def test_other_data_or_order_is_refused_unless_allowed(data, tmp_path):
    state = Loader(data, 4, seed=1).state() | {"step": 5}
    for loader, key in (
        (Loader(shards(tmp_path / "other", 36), 4, seed=1), "fingerprint"),
        (Loader(data, 4, seed=2), "seed"),
        (Loader(data, 8, seed=1), "batch_size"),
    ):
        with pytest.raises(ValueError, match=key):
            loader.restore(state)
        loader.restore(state, allow_other_data=True)
        assert loader.step == 5


def test_wrong_arguments_are_refused(data, tmp_path):
    with pytest.raises(ValueError, match="no records"):
        Loader(shards(tmp_path / "none", 0), 4, seed=1)
    with pytest.raises(ValueError, match="multiple of 3"):
        Loader(data, 4, seed=1, process_count=3)
    with pytest.raises(ValueError, match="process_index"):
        Loader(data, 4, seed=1, process_index=1)
    with pytest.raises(ValueError, match="step"):
        Loader(data, 4, seed=1).seek(-1)


def test_inspect_names_the_records_of_a_step(data):
    loader = Loader(data, 4, seed=1)
    for step in (0, 9, 20):
        batch = inspect(data, seed=1, batch_size=4, step=step)
        assert [row["record"] for row in batch] == rows(loader[step])
        assert all(row["padding"] == 0 for row in batch)
        assert [row["documents"][0]["source"] for row in batch] == ["ab"[row["record"] % 2] for row in batch]
        assert batch[0]["documents"][0]["tokens"] == [batch[0]["record"]] * 8
