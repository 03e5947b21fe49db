import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lemur.corpus.dedup_corpus import Params, dedup_corpus
from lemur.corpus.minhash import candidates, clusters, jaccard, shingles, signatures
from lemur.records import read_json, read_jsonl
from tests.corpus.builders import corpus, document, read_corpus

PARAMS = Params(shingle_words=5, bands=14, rows=8, min_similarity=0.7, seed=0)
WORDS = [f"word{number}" for number in range(300)]


def text(seed, length=200):
    return " ".join(random.Random(seed).choices(WORDS, k=length)) + "\n"


def run(folder, documents):
    source = corpus(folder / "in", documents)
    dedup_corpus(PARAMS, source, distinct=folder / "d", rejects=folder / "r.jsonl", report=folder / "r.json")
    return read_corpus(folder / "d"), list(read_jsonl(folder / "r.jsonl")), read_json(folder / "r.json")


@pytest.fixture
def planted():
    """30 different documents and, of the first ones, copies: same, other case and space, header, few words changed."""
    originals = [text(seed) for seed in range(30)]
    words = originals[3].split()
    words[50] = "changed"
    copies = [
        originals[0],
        originals[1].upper().replace(" ", "\n  "),
        "# Copyright 2023 somebody else\n" + originals[2],
        " ".join(words) + "\n",
    ]
    documents = [document("python" if number % 2 else "books", value) for number, value in enumerate(originals)]
    return documents, [document("sql", value) for value in copies]


def test_planted_duplicates_are_found_and_nothing_else(planted, tmp_path):
    originals, copies = planted
    kept, rejects, report = run(tmp_path, [*originals, *copies])
    assert len(kept) == 30
    pairs = {frozenset([reject["record"]["id"], reject["duplicate_of"]]) for reject in rejects}
    assert pairs == {frozenset([first["id"], second["id"]]) for first, second in zip(originals, copies, strict=False)}
    assert report["clusters"] == {"count": 4, "largest": 2, "removed_across_sources": 4}
    assert sorted(reject["reason"] for reject in rejects) == ["exact_duplicate"] * 2 + ["near_duplicate"] * 2
    assert all(reject["similarity"] >= 0.7 for reject in rejects)


def test_order_does_not_matter(planted, tmp_path):
    documents = [*planted[0], *planted[1]]
    first, *_ = run(tmp_path / "1", documents)
    random.Random(5).shuffle(documents)
    second, *_ = run(tmp_path / "2", documents)
    assert {record["id"] for record in first} == {record["id"] for record in second}


def test_the_longest_stays_then_the_smallest_id(tmp_path):
    base = text(1)
    documents = [document("python", base, "b"), document("c", "header " + base, "z"), document("sql", base, "a")]
    kept, rejects, _ = run(tmp_path, documents)
    assert [record["id"] for record in kept] == ["z"]
    assert {reject["duplicate_of"] for reject in rejects} == {"z"}
    kept, _, _ = run(tmp_path / "2", documents[::2])
    assert [record["id"] for record in kept] == ["a"]


def test_identical_records_leave_one(tmp_path):
    kept, rejects, _ = run(tmp_path, [document("python", text(1))] * 3)
    assert len(kept) == 1 and len(rejects) == 2


def test_short_and_empty_corpora(tmp_path):
    kept, *_ = run(tmp_path / "1", [])
    assert kept == []
    kept, *_ = run(
        tmp_path / "2", [document("c", "\n"), document("c", "a"), document("c", "b c"), document("sql", "?")]
    )
    assert len(kept) == 4


def test_signatures_estimate_jaccard():
    words = text(7, 400).split()
    first, second = shingles(" ".join(words), 5), shingles(" ".join(words[:360] + text(8, 40).split()), 5)
    true = jaccard(first, second)
    found = signatures([first, second], 1024, 0)
    assert found.dtype == np.uint32
    assert abs(np.mean(found[0] == found[1]) - true) < 0.06
    assert np.array_equal(found, signatures([first, second], 1024, 0))
    assert not np.array_equal(found, signatures([first, second], 1024, 1))


def test_signatures_are_those_of_rensa_0_5():
    """Pinned: another rensa with other values would silently be another corpus."""
    found = signatures([shingles("the quick brown fox jumps over the lazy dog", 5)], 4, 0)
    assert found.tolist() == [[69431889, 253023469, 186837945, 1937054433]]


@settings(max_examples=30)
@given(bands=st.lists(st.lists(st.integers(0, 2), min_size=4, max_size=4), max_size=12))
def test_candidates_are_the_pairs_that_share_a_band(bands):
    array = np.array(bands, np.uint32).reshape(-1, 4)
    expected = {
        (first, second)
        for second in range(len(array))
        for first in range(second)
        if (array[first, :2] == array[second, :2]).all() or (array[first, 2:] == array[second, 2:]).all()
    }
    assert {tuple(pair) for pair in candidates(array, 2).tolist()} == expected


def test_clusters_join_chains():
    assert list(clusters(7, [(0, 1), (5, 6), (1, 3), (3, 4)])) == [[0, 1, 3, 4], [5, 6]]
    assert list(clusters(3, [])) == []
