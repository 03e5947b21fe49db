import json
import os
import random
import signal
import tracemalloc
from collections import Counter
from concurrent.futures.process import BrokenProcessPool
from itertools import combinations
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lemur.core.parallel import Pool
from lemur.core.records import read_jsonl
from lemur.corpus.cleaning import tidy
from lemur.corpus.dedup import duplicates, outputs, sketches
from lemur.corpus.dedup.exact import digest
from lemur.corpus.dedup.minhash import band_keys, jaccard, shingle_sets, signatures
from lemur.corpus.dedup.outputs import write_shard
from lemur.corpus.dedup.planted import renamed
from lemur.corpus.dedup.renaming import renamed_shingle_sets, strip_licence
from lemur.corpus.readers import read
from lemur.corpus.readers.raw import RawDocument
from lemur.sources.fetched import FetchedFile
from tests.corpus.builders import DEDUP, WORDS, corpus, dedup, document, files, text

BUNDLED = Path(__file__).parents[2] / "data/sources/stack/bundled"


def shingles(text, size):
    return shingle_sets([text], size)[0]


def renamed_shingles(text, size):
    return renamed_shingle_sets([text], size)[0]


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
    kept, rejects, report = dedup(tmp_path, [*originals, *copies])
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
        _, rejects, report = dedup(tmp_path / name, [*programs, *copies])
        pairs = {frozenset([reject["record"]["id"], reject["duplicate_of"]]) for reject in rejects}
        expected = {frozenset([a["id"], b["id"]]) for a, b in zip(programs, copies, strict=True)}
        assert pairs == expected, name
        assert report["clusters"]["removed_across_sources"] == len(programs)
    _, rejects, _ = dedup(tmp_path / "off", [*programs, *copies], renamed_tokens=None)
    assert len(rejects) < len(programs)


def test_bundled_code_has_the_duplicates_that_corpus_md_lists(tmp_path):
    """27 duplicates were planted by hand (data/sources/CORPUS.md), five of them deliberately with other names."""
    documents = []
    for path in sorted(BUNDLED.glob("*.jsonl")):
        file = FetchedFile(BUNDLED, path.name, "stack", "-", {})
        texts = (raw.text for raw in read(file) if isinstance(raw, RawDocument) and raw.licences)
        documents += [document(path.stem, tidy(value)) for value in texts if len(value) > 200]
    kept, rejects, _ = dedup(tmp_path, documents)
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
    first, *_ = dedup(tmp_path / "1", documents, planted=10)
    assert len(list(read_jsonl(tmp_path / "1" / "c.jsonl"))) == 4 + len(programs)
    random.Random(5).shuffle(documents)
    monkeypatch.setattr(sketches, "BATCH_BYTES", 3000)
    for workers in ("1", "2"):
        monkeypatch.setenv("LEMUR_WORKERS", workers)
        second, *_ = dedup(tmp_path / workers / "2", documents, shards=3, planted=10)
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


def test_memory_does_not_grow_with_the_documents(tmp_path, monkeypatch):
    """Nor with exact copies, half of the documents here. 12 bytes a document measured: spans of 12 kB, a job for each.
    In a process of its own, because pathlib keeps names for the whole process."""
    monkeypatch.setenv("LEMUR_WORKERS", "1")
    with get_context("spawn").Pool(1) as process:
        peaks = [process.apply(peak, (tmp_path / str(count), count)) for count in (100, 2000, 5000)]
    assert (peaks[2] - peaks[1]) / 3000 < 25  # the first only loads the imports


def peak(folder, count):
    """Most bytes that the search allocates for `count` documents."""
    documents = corpus(folder / "in", [document("books", f"{count} {number // 2}\n") for number in range(count)])
    (folder / "work").mkdir()
    tracemalloc.start()
    search = duplicates.Duplicates(
        documents, DEDUP.model_copy(update={"memory_mb": 0.2}).settings(), folder / "work", Pool()
    )
    assert search.found.clusters == count // 2
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return most


def test_clusters_list_what_was_kept_and_why_the_others_were_removed(tmp_path):
    base = text(1)
    documents = [document("python", base), document("c", "header " + base), document("books", base.upper())]
    dedup(tmp_path, documents)
    (cluster,) = read_jsonl(tmp_path / "c.jsonl")
    assert cluster["kept"]["id"] == documents[1]["id"] and cluster["kept"]["begins"] == documents[1]["text"][:80]
    assert [(member["source"], member["reason"]) for member in cluster["members"]] == [
        ("books", "near_duplicate"),
        ("python", "near_duplicate"),
    ]
    assert all(0.9 < member["similarity"] < 1 for member in cluster["members"])


def test_report_has_precision_and_recall_of_planted_copies(programs, tmp_path):
    _, _, report = dedup(
        tmp_path / "1", [*programs, *(document("books", text(seed)) for seed in range(9))], planted=100
    )
    planted = report["planted"]
    assert planted["documents"] == len(programs) + 9
    assert planted["precision"] == 1.0
    assert planted["others"]["half_of_another"]["joined"] == 0 < planted["others"]["half_of_another"]["planted"]
    for kind in ("exact", "licence_header_changed", "identifiers_renamed"):
        assert planted["copies"][kind]["recall"] == 1.0, kind
    # The report shows what the rule misses.
    _, _, report = dedup(tmp_path / "2", programs, planted=100, min_similarity=1.0, min_renamed_similarity=1.0)
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
    kept, rejects, _ = dedup(tmp_path, documents)
    assert [record["id"] for record in kept] == ["z"]
    assert {reject["duplicate_of"] for reject in rejects} == {"z"}
    kept, _, _ = dedup(tmp_path / "2", documents[::2])
    assert [record["id"] for record in kept] == ["a"]


def test_one_of_identical_records_is_kept(tmp_path):
    kept, rejects, _ = dedup(tmp_path, [document("python", text(1))] * 3)
    assert len(kept) == 1 and len(rejects) == 2


def test_short_and_empty_corpora(tmp_path):
    kept, *_ = dedup(tmp_path / "1", [])
    assert kept == []
    kept, *_ = dedup(
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


def expected_removals(documents):
    """{(id, place): (kept id, reason, similarity)} by the definition, with all pairs of documents, for text only."""
    order = sorted(range(len(documents)), key=lambda number: (documents[number]["id"], number))
    texts = [documents[number]["text"] for number in order]
    sets = [shingles(value, DEDUP.shingle_words) for value in texts]
    digests = [digest(value) for value in texts]
    first = [digests.index(value) for value in digests]
    distinct = sorted({number for number in first if len(sets[number])})
    keys = dict(zip(distinct, band_keys(signatures([sets[n] for n in distinct], 112, 0), 14), strict=True))
    root = list(first)
    for a, b in combinations(distinct, 2):
        if (keys[a] == keys[b]).any() and jaccard(sets[a], sets[b]) >= DEDUP.min_similarity:
            old, new = root[b], root[a]
            root = [new if each == old else each for each in root]
    removals = {}
    for cluster in set(root):
        members = [number for number in range(len(order)) if root[number] == cluster]
        kept = min(members, key=lambda number: (-len(texts[number]), number))
        for member in members:
            if member != kept:
                exact = digests[member] == digests[kept]
                similarity = 1.0 if exact else round(jaccard(sets[member], sets[kept]), 4)
                reason = "exact_duplicate" if exact else "near_duplicate"
                removals[order[member]] = (documents[order[kept]]["id"], reason, similarity)
    return removals


@settings(max_examples=25, deadline=None)
@given(
    changes=st.lists(
        st.tuples(st.integers(0, 3), st.lists(st.integers(0, 39), max_size=4), st.booleans(), st.integers(0, 1)),
        max_size=24,
    ),
    shards=st.integers(1, 3),
    memory=st.sampled_from([0.004, 0.02, 64]),
)
def test_removals_are_those_of_all_pairs_compared(changes, shards, memory):
    documents = []
    for base, places, upper, repeated in changes:
        words = text(base, 40).split()
        for place in places:
            words[place] = f"new{place}"
        value = " ".join(words * (1 + repeated)) + "\n"
        documents.append(document("books", value.upper() if upper else value))
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("LEMUR_WORKERS", "1")
        patch.setattr(duplicates, "TEXTS", 2)  # several partitions also with few pairs
        kept, rejects, report = dedup(Path(folder), documents, shards, memory_mb=memory)
    expected = expected_removals(documents)
    found = [
        (reject["record"]["id"], reject["duplicate_of"], reject["reason"], reject["similarity"]) for reject in rejects
    ]
    assert sorted(found) == sorted((documents[place]["id"], *removal) for place, removal in expected.items())
    rest = [record["id"] for place, record in enumerate(documents) if place not in expected]
    assert sorted(record["id"] for record in kept) == sorted(rest)
    assert report["in"] == len(documents) == report["out"] + sum(report["dropped"].values())


def many(seed=3):
    """Families of near-duplicates with 2 to 40 members, copies, and documents without either."""
    generator = random.Random(seed)
    documents = [document("books", text(f"alone {number}")) for number in range(20)]
    for family in range(12):
        base = text(f"family {family}").split()
        for _ in range(generator.choice([2, 3, 8, 40])):
            words = list(base)
            for _ in range(generator.randrange(8)):
                words[generator.randrange(200)] = generator.choice(WORDS)
            documents.append(document(generator.choice(["python", "books"]), " ".join(words) + "\n"))
    return documents


@pytest.mark.parametrize("workers", ["1", "2"])
def test_memory_workers_and_shards_change_no_byte(tmp_path, monkeypatch, workers):
    monkeypatch.setenv("LEMUR_WORKERS", workers)
    documents = many()
    results = []
    for number, (memory, shards, texts) in enumerate([(64, 1, 64), (0.2, 1, 64), (0.1, 4, 2), (1, 3, 7)]):
        monkeypatch.setattr(duplicates, "TEXTS", texts)
        monkeypatch.setattr(duplicates, "ROWS", texts * 10)
        folder = tmp_path / str(number)
        kept, rejects, _ = dedup(folder, documents, shards, memory_mb=memory, planted=5)
        lines = (sorted(map(json.dumps, kept)), sorted(map(json.dumps, rejects)))
        results.append((*lines, *((folder / name).read_bytes() for name in ("c.jsonl", "r.json"))))
    assert all(each == results[0] for each in results[1:])
    assert json.loads(results[0][3])["clusters"]["largest"] > 30


def test_a_pair_in_several_bands_is_compared_once(tmp_path):
    """Not in each of 14 bands. Two of the documents are the first of those with the same key, so 59 + 58 pairs."""
    base = text(1, 400).split()
    copies = [document("books", " ".join([*base, f"end{number}"]) + "\n") for number in range(60)]
    _, rejects, report = dedup(tmp_path, copies)
    assert len(rejects) == 59 and report["compared_pairs"] == 117


def test_too_little_memory_for_the_copies_of_one_text_is_an_error_with_advice(tmp_path):
    documents = [document("books", text(1), f"id {number}") for number in range(50)]
    advice = r"50 rows of digests are in one partition .* 0\.0048 MB; .*memory_mb allows 0\.003\. Set it to 0\.0072 or"
    with pytest.raises(ValueError, match=advice):
        dedup(tmp_path / "1", documents, memory_mb=0.003)
    assert not list(tmp_path.rglob(".*")) and not (tmp_path / "1/d").exists()
    kept, *_ = dedup(tmp_path / "2", documents, memory_mb=0.0072)
    assert len(kept) == 1


def test_a_killed_worker_leaves_whole_shards_only(tmp_path, monkeypatch):
    """A shard with a line that kills: in the last phase, when the other shards are written."""
    monkeypatch.setenv("LEMUR_WORKERS", "2")
    documents = many()
    dedup(tmp_path / "whole", documents, shards=3)
    monkeypatch.setenv("LEMUR_TEST_KILLED", "python-00001")
    monkeypatch.setattr(outputs, "write_shard", killed_at)
    with pytest.raises(BrokenProcessPool):
        dedup(tmp_path / "killed", documents, shards=3)
    assert not list((tmp_path / "killed").rglob(".*"))
    left = files(tmp_path / "killed/d") if (tmp_path / "killed/d").exists() else {}
    whole = files(tmp_path / "whole/d")
    assert "python-00001.jsonl" not in left
    assert all(whole[name] == value for name, value in left.items())


def killed_at(settings, sample, job):
    if job.name == os.environ["LEMUR_TEST_KILLED"]:
        job.outputs["distinct"].write_text("half", encoding="utf-8")
        os.kill(os.getpid(), signal.SIGKILL)
    return write_shard(settings, sample, job)
