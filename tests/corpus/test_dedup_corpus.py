import json
import random
import tracemalloc
from collections import Counter
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lemur.core.parallel import Pool
from lemur.core.records import read_json, read_jsonl
from lemur.core.rejects import read_rejects
from lemur.corpus.cleaning import tidy
from lemur.corpus.dedup import duplicates, sketches
from lemur.corpus.dedup.clusters import MAX_COMPARISONS, Clusters, candidates
from lemur.corpus.dedup.minhash import band_keys, jaccard, shingles, signatures
from lemur.corpus.dedup.planted import renamed
from lemur.corpus.dedup.renaming import renamed_shingles, strip_licence
from lemur.corpus.dedup_corpus import dedup_corpus
from lemur.corpus.readers import read
from lemur.corpus.readers.raw import RawDocument
from lemur.sources.fetched import FetchedFile
from tests.corpus.builders import DEDUP, corpus, document, files, read_corpus

BUNDLED = Path(__file__).parents[2] / "data/sources/stack/bundled"
WORDS = [f"word{number}" for number in range(300)]


def text(seed, length=200):
    return " ".join(random.Random(seed).choices(WORDS, k=length)) + "\n"


def run(folder, documents, shards=1, **changes):
    source = corpus(folder / "in", documents, shards)
    dedup_corpus(
        DEDUP.model_copy(update=changes),
        source,
        distinct=folder / "d",
        rejects=folder / "r",
        clusters=folder / "c.jsonl",
        report=folder / "r.json",
    )
    return read_corpus(folder / "d"), list(read_rejects(folder / "r")), read_json(folder / "r.json")


@pytest.fixture
def planted():
    """30 different documents, and copies of the first four: exact, other case and spaces, with a header, one word
    changed."""
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


def test_only_the_planted_duplicates_are_found(planted, tmp_path):
    originals, copies = planted
    kept, rejects, report = run(tmp_path, [*originals, *copies])
    assert len(kept) == 30
    pairs = {frozenset([reject["record"]["id"], reject["duplicate_of"]]) for reject in rejects}
    assert pairs == {frozenset([first["id"], second["id"]]) for first, second in zip(originals, copies, strict=False)}
    assert report["clusters"] == {"count": 4, "largest": 2, "removed_across_sources": 4}
    assert sorted(reject["reason"] for reject in rejects) == ["exact_duplicate"] * 2 + ["near_duplicate"] * 2
    assert all(reject["similarity"] >= 0.7 for reject in rejects)


@pytest.fixture(scope="module")
def programs():
    """Programs of the bundled sample, none of them a copy of another."""
    documents = []
    for path in sorted(BUNDLED.glob("*.jsonl")):
        if path.stem not in ("notebook", "others"):
            records = map(_parse, path.read_bytes().splitlines()[:5])
            contents = [record["content"] for record in records if record]
            documents += [document(path.stem, content) for content in contents if len(content) > 600][:2]
    return documents


def _parse(line):
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return record if "content" in record else None


HEADER = (
    "# Copyright 2019 Somebody. Licensed under the terms of the " + "quite long and often changed " * 20 + "licence.\n"
)


def test_four_kinds_of_copies_of_real_programs_are_found(programs, tmp_path):
    changes = {
        "same": lambda text: text,
        "reformatted": lambda text: text.replace("    ", "\t").replace("\n\n", "\n").replace("'", '"'),
        "header": lambda text: HEADER + text,
        "renamed": lambda text: renamed(text, random.Random(1)),
    }
    for name, change in changes.items():
        copies = [document("others", change(record["text"])) for record in programs]
        _, rejects, report = run(tmp_path / name, [*programs, *copies])
        pairs = {frozenset([reject["record"]["id"], reject["duplicate_of"]]) for reject in rejects}
        expected = {frozenset([a["id"], b["id"]]) for a, b in zip(programs, copies, strict=True)}
        assert pairs == expected, name
        assert report["clusters"]["removed_across_sources"] == len(programs)
    _, rejects, _ = run(tmp_path / "off", [*programs, *copies], renamed_tokens=None)
    assert len(rejects) < len(programs)


def test_bundled_code_has_the_duplicates_that_corpus_md_lists(tmp_path):
    """27 duplicates were planted by hand (data/sources/CORPUS.md), five of them deliberately with other names."""
    documents = []
    for path in sorted(BUNDLED.glob("*.jsonl")):
        file = FetchedFile(BUNDLED, path.name, "stack", "-", {})
        texts = (raw.text for raw in read(file) if isinstance(raw, RawDocument) and raw.licences)
        documents += [document(path.stem, tidy(value)) for value in texts if len(value) > 200]
    kept, rejects, _ = run(tmp_path, documents)
    assert Counter(reject["reason"] for reject in rejects) == {
        "exact_duplicate": 9,
        "near_duplicate": 13,
        "renamed_duplicate": 4,
    }
    texts = {record["id"]: record["text"] for record in kept}
    words = [
        jaccard(shingles(texts[reject["duplicate_of"]], 5), shingles(reject["record"]["text"], 5)) for reject in rejects
    ]
    assert sum(similarity < 0.7 for similarity in words) == 4
    # The fifth, a Java class, stays below the threshold.
    code = [record for record in kept if record["group"] == "code"]
    similarities = [
        jaccard(renamed_shingles(a["text"], 12), renamed_shingles(b["text"], 12))
        for a, b in combinations(code, 2)
        if a["source"] == b["source"]
    ]
    assert sorted(similarities)[-1] == pytest.approx(0.64, abs=0.005)
    assert sorted(similarities)[-2] < 0.6


def test_order_shards_and_workers_do_not_matter(planted, programs, tmp_path, monkeypatch):
    documents = [*planted[0], *planted[1], *programs, *(document("c", HEADER + record["text"]) for record in programs)]
    first, *_ = run(tmp_path / "1", documents, planted=10)
    assert len(list(read_jsonl(tmp_path / "1" / "c.jsonl"))) == 4 + len(programs)
    random.Random(5).shuffle(documents)
    monkeypatch.setattr(sketches, "BATCH_BYTES", 3000)
    monkeypatch.setattr(duplicates, "BATCH_PAIRS", 2)
    for workers in ("1", "2"):
        monkeypatch.setenv("LEMUR_WORKERS", workers)
        second, *_ = run(tmp_path / workers / "2", documents, shards=3, planted=10)
        assert {record["id"] for record in first} == {record["id"] for record in second}
        for name in ("c.jsonl", "r.json"):
            assert (tmp_path / "1" / name).read_bytes() == (tmp_path / workers / "2" / name).read_bytes()
    assert files(tmp_path / "1" / "2") == files(tmp_path / "2" / "2")
    assert not list(tmp_path.rglob(".*"))
    shards = {path.name for path in (tmp_path / "1" / "2" / "in").iterdir()}
    assert {path.name for path in (tmp_path / "1" / "2" / "d").iterdir()} == shards
    assert {path.name for path in (tmp_path / "1" / "2" / "r").iterdir()} == {
        name.replace(".jsonl", ".jsonl.zst") for name in shards
    }


def test_memory_is_under_200_bytes_a_document(tmp_path, monkeypatch):
    """An entry takes 84, the search about 90 more: 174 measured, 255 with two copies of the entries."""
    monkeypatch.setenv("LEMUR_WORKERS", "1")
    monkeypatch.setattr(sketches, "BATCH_BYTES", 5000)
    monkeypatch.setattr(sketches, "BATCH_ENTRIES", 1000)
    peaks = []
    for count in (200, 2000, 6000):  # the first only loads the imports
        folder = corpus(tmp_path / str(count), [document("books", f"{count} {number}\n") for number in range(count)])
        (tmp_path / f"work{count}").mkdir()
        tracemalloc.start()
        settings = sketches.Settings(5, 12, 14, 8, 0)
        search = duplicates.Duplicates(folder, settings, 0.7, 0.8, tmp_path / f"work{count}", Pool())
        assert not list(search.clusters())
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert (peaks[2] - peaks[1]) / 4000 < 200


def test_clusters_list_what_was_kept_and_why_the_others_were_removed(tmp_path):
    base = text(1)
    documents = [document("python", base), document("c", "header " + base), document("books", base.upper())]
    run(tmp_path, documents)
    (cluster,) = read_jsonl(tmp_path / "c.jsonl")
    assert cluster["kept"]["id"] == documents[1]["id"] and cluster["kept"]["begins"] == documents[1]["text"][:80]
    assert [(member["source"], member["reason"]) for member in cluster["members"]] == [
        ("books", "near_duplicate"),
        ("python", "near_duplicate"),
    ]
    assert all(0.9 < member["similarity"] < 1 for member in cluster["members"])


def test_report_has_precision_and_recall_of_planted_copies(programs, tmp_path):
    _, _, report = run(tmp_path / "1", [*programs, *(document("books", text(seed)) for seed in range(9))], planted=100)
    planted = report["planted"]
    assert planted["documents"] == len(programs) + 9
    assert planted["precision"] == 1.0
    assert planted["others"]["half_of_another"]["joined"] == 0 < planted["others"]["half_of_another"]["planted"]
    for kind in ("exact", "licence_header_changed", "identifiers_renamed"):
        assert planted["copies"][kind]["recall"] == 1.0, kind
    # The report shows what the rule misses.
    _, _, report = run(tmp_path / "2", programs, planted=100, min_similarity=1.0, min_renamed_similarity=1.0)
    assert report["planted"]["copies"]["one_word_of_forty_changed"]["recall"] < 0.2
    assert report["planted"]["copies"]["exact"]["recall"] == 1.0


def test_renaming_changes_no_shingle_but_using_names_differently_does():
    original = renamed_shingles("def f(a, b):\n    t = a + b\n    return t * a\n" * 4, 8)
    assert np.array_equal(original, renamed_shingles("def g(x, y):\n    z = x + y\n    return z * x\n" * 4, 8))
    assert jaccard(original, renamed_shingles("def g(x, y):\n    z = y + x\n    return x * z\n" * 4, 8)) < 0.8
    assert not len(renamed_shingles("a = b\n", 8))


def test_only_a_leading_comment_about_a_licence_is_stripped():
    assert strip_licence("/* Copyright 2020 X */\nint x;\n") == "\nint x;\n"
    assert strip_licence("#!/bin/sh\n# SPDX-License-Identifier: MIT\n\n# what it does\nls\n").endswith(
        "\n# what it does\nls\n"
    )
    assert strip_licence("// Copyright 2024 Y\n/* Copyright 2020 X */\nint x;\n") == "\nint x;\n"
    for code in ("/* adds */ int x;\n", "# Copyright only\n", "#include <copyright.h>\nint x;\n", "x = 1  # (c) me\n"):
        assert strip_licence(code) == code


def test_the_longest_document_is_kept_then_the_smallest_id(tmp_path):
    base = text(1)
    documents = [document("python", base, "b"), document("c", "header " + base, "z"), document("sql", base, "a")]
    kept, rejects, _ = run(tmp_path, documents)
    assert [record["id"] for record in kept] == ["z"]
    assert {reject["duplicate_of"] for reject in rejects} == {"z"}
    kept, _, _ = run(tmp_path / "2", documents[::2])
    assert [record["id"] for record in kept] == ["a"]


def test_one_of_identical_records_is_kept(tmp_path):
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
    exact = jaccard(first, second)
    rows = signatures([first, second], 1024, 0)
    assert rows.dtype == np.uint32
    assert abs(np.mean(rows[0] == rows[1]) - exact) < 0.06
    assert np.array_equal(rows, signatures([first, second], 1024, 0))
    assert not np.array_equal(rows, signatures([first, second], 1024, 1))


def test_signatures_match_rensa_0_5():
    """Pinned: a rensa release with other values would silently change the corpus."""
    rows = signatures([shingles("the quick brown fox jumps over the lazy dog", 5)], 4, 0)
    assert rows.tolist() == [[69431889, 253023469, 186837945, 1937054433]]


@settings(max_examples=30)
@given(bands=st.lists(st.lists(st.integers(0, 2), min_size=4, max_size=4), max_size=12))
def test_candidates_are_the_pairs_that_share_a_band(bands):
    array = np.array(bands, np.uint32).reshape(-1, 4)
    keys = band_keys(array, 2)
    for band in range(2):
        half = array[:, 2 * band : 2 * band + 2]
        expected = {(a, b) for b in range(len(half)) for a in range(b) if (half[a] == half[b]).all()}
        pairs = [
            tuple(pair)
            for batch in candidates(keys[:, band], np.arange(len(keys)), Clusters(len(keys)))
            for pair in batch.tolist()
        ]
        assert len(pairs) == len(set(pairs)) and set(pairs) == expected


def test_each_copy_in_a_large_bucket_is_compared_once():
    clusters = Clusters(1000)
    compared = 0
    for pairs in candidates(np.ones(1000, np.uint64), np.arange(1000), clusters):
        clusters.join(pairs)
        compared += len(pairs)
    assert compared == 999
    assert [len(members) for members in clusters] == [1000]
    # Without joins each document meets at most this many others.
    rounds = list(candidates(np.ones(1000, np.uint64), np.arange(1000), Clusters(1000)))
    assert len(rounds) == MAX_COMPARISONS


@given(pairs=st.lists(st.tuples(st.integers(0, 15), st.integers(0, 15)), max_size=20))
def test_clusters_are_the_connected_groups(pairs):
    clusters = Clusters(16)
    clusters.join(np.array(pairs, np.int64).reshape(-1, 2))
    groups = [{node} for node in range(16)]
    for first, second in pairs:
        merged = next(g for g in groups if first in g) | next(g for g in groups if second in g)
        groups = [g for g in groups if not g & merged] + [merged]
    assert list(clusters) == sorted(sorted(group) for group in groups if len(group) > 1)


def test_clusters_join_chains():
    clusters = Clusters(7)
    clusters.join(np.array([(0, 1), (5, 6), (1, 3), (3, 4)]))
    assert list(clusters) == [[0, 1, 3, 4], [5, 6]]
    assert list(Clusters(3)) == [] == list(Clusters(0))
