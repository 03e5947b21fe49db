"""The phases of `dedup_corpus` by themselves: pairs, clusters, files of rows, spans."""

from collections import Counter
from itertools import combinations
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from lemur.corpus.dedup import partitions, sketches, spans
from lemur.corpus.dedup.candidates import MAX_COMPARISONS, PAIR, find_buckets, find_pairs
from lemur.corpus.dedup.clusters import Clusters, read_roots
from lemur.corpus.dedup.minhash import band_keys
from lemur.corpus.dedup.partitions import Partition, read_rows, write_rows
from lemur.corpus.documents import all_shards
from tests.corpus.builders import DEDUP, corpus, document


def buckets(folder, keys, roots=None):
    """The rows of every pair that the rounds propose for documents 0, 1, ... with `keys`, by distance; 0: the first
    round. `roots`: [(document, root)] before the later rounds."""
    for name in ("keyed", "buckets", "pairs"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    rows = np.empty(len(keys), sketches.KEYED)
    rows["key"] = np.array(keys, np.uint64) * np.uint64(2)
    rows["rank"] = rows["address"] = range(len(keys))
    write_rows(folder / "keyed/0", rows)
    clusters = Clusters()
    clusters.join(np.array(roots or [], np.uint64).reshape(-1, 2))
    clusters.write(folder / "roots")
    search = DEDUP.settings()
    part = Partition("0", (folder / "keyed",), {"buckets": folder / "buckets/0", "pairs": folder / "pairs/0"})
    shared, proposed, largest = find_buckets(search, part)
    found = {0: np.fromfile(folder / "pairs/0", PAIR)}
    assert proposed == len(found[0]) and shared == len(np.fromfile(folder / "buckets/0", sketches.KEYED))
    for distance in range(1, MAX_COMPARISONS + 1):
        part = Partition("0", (folder / "buckets", folder / "roots"), {"pairs": folder / f"pairs/{distance}"})
        find_pairs(search, range(distance, distance + 1), part)
        found[distance] = np.fromfile(folder / f"pairs/{distance}", PAIR)
    return found, largest


def tuples(pairs):
    return [(int(pair["first"]), int(pair["second"])) for pair in pairs]


@settings(max_examples=30)
@given(keys=st.lists(st.integers(1, 4), max_size=12))
def test_candidates_are_the_pairs_that_share_a_key(keys):
    with TemporaryDirectory() as folder:
        found, largest = buckets(Path(folder), keys)
    pairs = [pair for rows in found.values() for pair in tuples(rows)]
    expected = {(a, b) for b in range(len(keys)) for a in range(b) if keys[a] == keys[b]}
    assert len(pairs) == len(set(pairs)) and set(pairs) == expected
    assert largest == max((count for count in Counter(keys).values() if count > 1), default=0)


@settings(max_examples=30)
@given(bands=st.lists(st.lists(st.integers(0, 2), min_size=4, max_size=4), max_size=12))
def test_keys_are_equal_where_two_signatures_agree_in_a_band(bands):
    array = np.array(bands, np.uint32).reshape(-1, 4)
    keys = band_keys(array, 2)
    for band in range(2):
        half = array[:, 2 * band : 2 * band + 2]
        for a, b in combinations(range(len(half)), 2):
            assert (keys[a, band] == keys[b, band]) == (half[a] == half[b]).all()


def test_the_first_round_joins_a_large_bucket_and_the_others_are_bounded(tmp_path):
    found, largest = buckets(tmp_path / "1", [7] * 1000)
    clusters = Clusters()
    clusters.join(np.array(tuples(found[0]), np.uint64))
    assert len(found[0]) == 999 and largest == 1000
    assert clusters.documents.tolist() == list(range(1000)) and not clusters.roots.any()
    # Without joins each document meets exactly the 64 after it.
    pairs = [pair for rows in found.values() for pair in tuples(rows)]
    assert sorted(pairs) == [(a, b) for a in range(1000) for b in range(a + 1, min(a + 65, 1000))]
    # With joins no other pair is compared, except between clusters.
    found, _ = buckets(tmp_path / "2", [7] * 1000, tuples(found[0]))
    assert not sum(len(found[distance]) for distance in range(1, 65))
    found, _ = buckets(tmp_path / "3", [7] * 10, [(number, number % 2) for number in range(10)])
    assert set(tuples(found[1])) == {(number, number + 1) for number in range(1, 9)}
    assert not len(found[2])


@given(pairs=st.lists(st.tuples(st.integers(0, 15), st.integers(0, 15)), max_size=20), at=st.integers(0, 20))
def test_clusters_are_the_connected_groups(pairs, at):
    clusters = Clusters()
    for part in (pairs[:at], pairs[at:]):
        clusters.join(np.array(part, np.uint64).reshape(-1, 2))
    groups = [{node} for node in range(16)]
    for first, second in pairs:
        merged = next(g for g in groups if first in g) | next(g for g in groups if second in g)
        groups = [g for g in groups if not g & merged] + [merged]
    with TemporaryDirectory() as folder:
        clusters.write(Path(folder, "roots"))
        roots = read_roots(Path(folder, "roots"), np.arange(16, dtype=np.uint64))
    assert roots.tolist() == [min(next(group for group in groups if node in group)) for node in range(16)]
    assert clusters.documents.tolist() == sorted({node for pair in pairs for node in pair})


def test_rows_are_read_by_ranges_of_all_files(tmp_path):
    generator = np.random.default_rng(1)
    rows = np.empty(500, PAIR)
    for name in PAIR.names:
        rows[name] = generator.integers(0, 1 << 63, 500, np.uint64) * np.uint64(2)
    for number in range(5):
        write_rows(tmp_path / str(number), rows[number::5])
    jobs = partitions.partitions(500, 32, 4000, 100, [tmp_path], {})
    assert len(jobs) == 8 and jobs[0].low == 0 and jobs[-1].high == 1 << 64
    parts = [read_rows(tmp_path, PAIR, job.low, job.high, 1 << 20) for job in jobs]
    assert sorted(np.concatenate(parts).tolist()) == sorted(rows.tolist())
    assert all(
        ((part["key"] >= job.low) & (part["key"] < job.high)).all() for part, job in zip(parts, jobs, strict=True)
    )
    assert len(partitions.partitions(500, 32, 1 << 30, 100, [tmp_path], {})) == 5
    assert len(partitions.partitions(500, 32, 1 << 30, 1, [tmp_path], {})) == partitions.FEWEST


@given(lengths=st.lists(st.integers(0, 30), max_size=20), size=st.integers(1, 60))
def test_spans_divide_a_shard_between_its_lines(lengths, size):
    with TemporaryDirectory() as name:
        folder = corpus(Path(name), [document("c", "x" * length) for length in lengths])
        found = [
            (span.shard, offset, line)
            for span in spans.spans(folder, size, [], "rows", folder)
            for offset, line in spans.lines(span)
        ]
        place, data = next(
            (n, path.read_bytes()) for n, (_, path) in enumerate(all_shards(folder)) if path.stem[0] == "c"
        )
    assert b"".join(line for *_, line in found) == data and len(found) == len(lengths)
    assert all(shard == place and data[offset:].startswith(line) for shard, offset, line in found)
