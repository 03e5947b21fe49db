from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lemur.core.records import read_json
from lemur.corpus.sources import SOURCES
from lemur.tokens.mix_corpus import Params as MixParams
from lemur.tokens.mix_corpus import mix_corpus
from lemur.tokens.pack_corpus import Params, pack_corpus
from lemur.tokens.shard_validation import validate
from lemur.tokens.shards import open_shards
from lemur.tokens.token_store import TokenStore
from tests.corpus.builders import files, token_store

L = 16
PARAMS = {
    "sequence_length": L,
    "policy": "best_fit",
    "window_documents": 1000,
    "min_piece_tokens": 2,
    "records_per_shard": 5,
}


def run(folder, lengths, *, total=10**9, epochs=1.0, **changes):
    store = token_store(folder / "tokens", lengths)
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
        stored = Counter(store.ids(source).tolist())
        assert packed <= stored
        assert stored.total() - packed.total() == report["sources"][source]["tokens_dropped"].get("short_piece", 0)


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
            bytes(document[at : at + size].astype("<u2"))
            for document in np.split(store.ids(source), store.borders(source)[1:-1])
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


def test_two_runs_give_the_same_bytes_and_documents_stay_whole_where_they_fit(tmp_path):
    lengths = {"python": list(range(1, 40)), "books": [9] * 30}
    _, report, _ = run(tmp_path / "1", lengths)
    run(tmp_path / "2", lengths)
    assert files(tmp_path / "1" / "shards") == files(tmp_path / "2" / "shards")
    assert report["documents_cut"] == sum(length > L for length in lengths["python"])


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
