from collections import Counter
from itertools import chain

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lemur.core.records import read_json
from lemur.corpus.sources import SOURCES
from lemur.tokens import pack_corpus as stage
from lemur.tokens.mix_corpus import Params as MixParams
from lemur.tokens.mix_corpus import mix_corpus
from lemur.tokens.mixture import Order
from lemur.tokens.pack_corpus import Params, pack_corpus
from lemur.tokens.packing import fill_one, pack
from lemur.tokens.shard_validation import validate
from lemur.tokens.shards import open_shards
from lemur.tokens.token_store import TokenStore
from tests.corpus.builders import files, stored, token_store

L = 16
PARAMS = {
    "sequence_length": L,
    "policy": "best_fit",
    "window_documents": 1000,
    "min_piece_tokens": 2,
}


@pytest.fixture(autouse=True, scope="module")
def one_worker():
    """Unless a test says otherwise: two would take seconds to start, for every example."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LEMUR_WORKERS", "1")
        yield


def run(folder, lengths, *, total=10**9, epochs=1.0, cuts=(), **changes):
    store = token_store(folder / "tokens", lengths, cuts=cuts)
    weights = {source: float(bool(lengths.get(source))) for source in SOURCES}
    mix = MixParams.model_validate({"total_tokens": total, "weights": weights, "max_epochs": epochs, "seed": 1})
    mix_corpus(mix, store, mixture=folder / "m.json", report=folder / "mr.json")
    pack_corpus(
        Params.model_validate({**PARAMS, **changes}),
        store,
        folder / "m.json",
        shards=folder / "shards",
        report=folder / "r.json",
    )
    return open_shards(folder / "shards"), read_json(folder / "r.json"), TokenStore(store)


@pytest.mark.parametrize("policy", ["best_fit", "concat"])
@settings(max_examples=25, deadline=None)
@given(
    lengths=st.lists(st.sampled_from([0, 1, 2, L - 1, L, L + 1, 10 * L]), max_size=20),
    others=st.lists(st.integers(0, 40), max_size=10),
    window=st.sampled_from([1, 3, 1000]),
)
def test_tokens_in_equal_tokens_packed_plus_dropped(tmp_path_factory, policy, lengths, others, window):
    folder = tmp_path_factory.mktemp("pack")
    shards, report, store = run(folder, {"python": lengths, "books": others}, policy=policy, window_documents=window)
    assert validate(folder / "shards") == []
    assert report["tokens_in"] == sum(lengths) + sum(others)
    assert report["tokens_in"] == report["tokens_packed"] + sum(report["tokens_dropped"].values())
    for number, source in enumerate(shards.sources):
        packed: Counter[int] = Counter()
        for index in range(len(shards)):
            record = shards[index]
            packed.update(record["tokens"][(record["sources"] == number) & (record["segments"] > 0)].tolist())
        ids = Counter(chain.from_iterable(stored(store, source)))
        assert packed <= ids
        assert ids.total() - packed.total() == report["sources"][source]["tokens_dropped"].get("short_piece", 0)


@pytest.mark.parametrize("policy", ["best_fit", "concat"])
def test_empty_and_huge_documents(tmp_path, policy):
    shards, report, _ = run(tmp_path, {"python": [0, 2000 * L + 1, 0, 3], "books": [0, 0]}, policy=policy)
    assert report["tokens_in"] == 2000 * L + 4 == report["tokens_packed"] + report["tokens_dropped"]["short_piece"]
    assert report["sources"]["books"]["tokens_in"] == 0
    assert 2001 <= len(shards) <= 2002
    assert validate(tmp_path / "shards") == []


@pytest.mark.parametrize("policy", ["best_fit", "concat"])
@settings(max_examples=20, deadline=None)
@given(lengths=st.lists(st.sampled_from([0, 1, 3, L - 1, L, L + 1, 10 * L]), min_size=1, max_size=6))
def test_no_segment_has_tokens_of_two_documents(tmp_path_factory, policy, lengths):
    lengths = {"python": [5, 40, 16, 3], "sql": lengths}
    shards, _, store = run(tmp_path_factory.mktemp("pack"), lengths, policy=policy, min_piece_tokens=1)
    runs = {
        source: {
            bytes(np.array(document[at : at + size], "<u2"))
            for document in stored(store, source)
            for at in range(len(document))
            for size in range(1, L + 1)
        }
        for source in ("python", "sql")
    }
    for index in range(len(shards)):
        record = shards[index]
        for segment in range(1, record["segments"].max() + 1):
            at = record["segments"] == segment
            source = shards.sources[record["sources"][at][0]]
            assert bytes(record["tokens"][at].astype("<u2")) in runs[source]


def test_begin_markers_are_not_targets(tmp_path):
    shards, _, _ = run(tmp_path, {"python": [5, 40, 16]})
    for index in range(len(shards)):
        record = shards[index]
        used = record["segments"] > 0
        assert np.array_equal(record["loss"][used] == 0, record["tokens"][used] == 1)


def test_epochs_repeat_documents_in_another_order(tmp_path):
    shards, report, _ = run(tmp_path, {"python": [L] * 20}, epochs=2.5)
    documents = [bytes(shards[index]["tokens"]) for index in range(len(shards))]
    assert len(documents) == report["documents"] == 50
    assert sorted(Counter(documents).values()) == [2] * 10 + [3] * 10


@pytest.mark.parametrize("policy", ["best_fit", "concat"])
def test_workers_and_shards_of_documents_change_no_byte(tmp_path, policy, monkeypatch):
    lengths = {"python": list(range(1, 40)), "books": [9] * 30}
    for name, workers, cuts in (("1", "1", ()), ("2", "2", ()), ("3", "2", (0, 5, 12, 12, 38))):
        monkeypatch.setenv("LEMUR_WORKERS", workers)
        run(tmp_path / name, lengths, cuts=cuts, window_documents=10, policy=policy)
        assert files(tmp_path / name / "shards") == files(tmp_path / "1" / "shards")
        for report in ("m.json", "r.json"):
            assert (tmp_path / name / report).read_bytes() == (tmp_path / "1" / report).read_bytes()
    assert not list(tmp_path.glob("*/.*"))


def test_documents_stay_whole_where_they_fit(tmp_path):
    lengths = {"python": list(range(1, 40)), "books": [9] * 30}
    _, report, _ = run(tmp_path, lengths)
    assert report["documents_cut"] == sum(length > L for length in lengths["python"])


@pytest.mark.parametrize("policy", ["best_fit", "concat"])
@pytest.mark.parametrize("block", [1, 3 * L])
def test_a_window_is_a_shard_and_depends_on_no_other(tmp_path, policy, block, monkeypatch):
    """Compared with packing the window's documents by hand."""
    lengths = {"python": [3, 40, 16, 1, 7, 0, 25], "books": [9] * 8}
    monkeypatch.setattr(stage, "BLOCK_TOKENS", block)
    shards, _, store = run(tmp_path, lengths, policy=policy, window_documents=4)
    order = Order(read_json(tmp_path / "m.json"))
    expected = []
    counts = []
    for start in range(0, len(order), 4):
        places = zip(*order[start : start + 4], strict=True)
        documents = [(source, stored(store, order.sources[source])[number]) for source, number in places]
        packing = pack([len(ids) for _, ids in documents], L, policy)
        before = len(expected)
        for sequence in range(packing.sequences):
            parts = []
            for piece in np.flatnonzero(packing.sequence == sequence):
                source, ids = documents[packing.document[piece]]
                at, size = packing.start[piece], packing.length[piece]
                if size >= 2:
                    part = np.array(ids[at : at + size])
                    parts.append((part, part != 1, source))
            if parts:
                expected.append(fill_one(L, parts))
        counts.append(len(expected) - before)
    assert [shard["records"] for shard in shards.manifest["shards"]] == counts and len(counts) == 4
    assert len(shards) == len(expected)
    for index, record in enumerate(expected):
        assert {name: shards[index][name].tolist() for name in record} == {n: a.tolist() for n, a in record.items()}


def test_a_window_whose_pieces_are_all_dropped_is_a_shard_without_records(tmp_path):
    shards, report, _ = run(tmp_path, {"python": [1, 1, 0, 30, 1]}, window_documents=1)
    assert sorted(shard["records"] for shard in shards.manifest["shards"]) == [0, 0, 0, 0, 2]
    assert report["tokens_dropped"] == {"short_piece": 3} and report["sequences"] == len(shards) == 2
    assert validate(tmp_path / "shards") == []


def test_a_missing_shard_of_tokens_is_named(tmp_path):
    run(tmp_path, {"python": [30, 5]}, cuts=[1])
    (tmp_path / "tokens" / "python-00001.npy").unlink()
    with pytest.raises(ValueError, match=r"python-00001\.npy is missing; `dvc checkout --force` restores it"):
        pack_corpus(
            Params.model_validate(PARAMS),
            tmp_path / "tokens",
            tmp_path / "m.json",
            shards=tmp_path / "again",
            report=tmp_path / "r.json",
        )
    assert not (tmp_path / "again").exists()


def test_an_empty_mixture_gives_empty_shards(tmp_path):
    shards, report, _ = run(tmp_path, {"python": [5, 40]}, total=0)
    assert len(shards) == 0 and report["tokens_in"] == 0 and report["fullness"] == 1.0
    assert validate(tmp_path / "shards") == []


def test_the_packed_documents_are_the_planned_ones(tmp_path):
    _, report, _ = run(tmp_path, {"python": list(range(1, 60)), "books": list(range(5, 30))}, epochs=2.5)
    planned = read_json(tmp_path / "m.json")
    assert planned["tokens"] == report["tokens_in"]
    for source in ("python", "books"):
        assert planned["sources"][source]["full_epochs"] == 2 and planned["sources"][source]["partial_documents"] > 0
        assert planned["sources"][source]["tokens"] == report["sources"][source]["tokens_in"]
