"""Stage `semantic_dedup` and its exact search."""

import random
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lemur.core.records import read_json, read_jsonl
from lemur.instructions.dedup.near_duplicates import StoredVectors, find_duplicates, similarity
from lemur.instructions.dedup.unit_vectors import unit
from lemur.instructions.semantic_dedup import Params, semantic_dedup
from tests.instructions.builders import chat, embedded_folder

BASE: dict[str, Any] = {"sources": ["sharegpt", "chatlogs"], "threshold": 0.95, "near_margin": 0.01, "block": 16}


def planted(count: int, dimension: int, seed: int) -> np.ndarray:
    """Unit vectors in clusters whose similarities scatter about 0.95."""
    generator = np.random.default_rng(seed)
    centres = generator.normal(size=(max(1, count // 6), dimension))
    noise = generator.uniform(0.05, 0.5, size=(count, 1)) * generator.normal(size=(count, dimension))
    return unit(centres[generator.integers(len(centres), size=count)] + noise)


def brute_force(vectors: np.ndarray, threshold: float) -> dict[int, int]:
    kept: list[int] = []
    dropped: dict[int, int] = {}
    for row in range(len(vectors)):
        for other in kept:
            if similarity(vectors[row : row + 1], vectors[other : other + 1])[0] > threshold:
                dropped[row] = other
                break
        else:
            kept.append(row)
    return dropped


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 120), st.integers(0, 10_000), st.sampled_from([1, 3, 16, 64, 500]))
def test_equal_to_brute_force_for_any_block(count: int, seed: int, block: int) -> None:
    vectors = planted(count, 24, seed)
    result = find_duplicates(vectors, threshold=0.95, near_margin=0.01, block=block)
    assert {row: other for row, (other, _) in result.duplicate_of.items()} == brute_force(vectors, 0.95)
    assert all(0.94 <= value <= 0.96 for _, _, value in result.near)
    assert sorted(result.near) == sorted(find_duplicates(vectors, threshold=0.95, near_margin=0.01, block=1000).near)


def test_stored_vectors_do_not_stay_in_memory(tmp_path: Path) -> None:
    vectors = planted(3000, 256, 3)
    files = [tmp_path / f"{number}.npy" for number in range(4)]
    for path, part in zip(files, np.split(vectors, [1000, 1000, 1700]), strict=True):  # the second is empty
        np.save(path, part)
    rows = random.Random(1).sample(range(3000), 2900)
    tracemalloc.start()
    result = find_duplicates(StoredVectors(files, rows), threshold=0.95, block=64)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert result == find_duplicates(vectors[rows], threshold=0.95, block=512)
    assert len(result.duplicate_of) > 100
    assert peak < 0.5 * vectors[rows].nbytes


@pytest.mark.parametrize(
    "vectors", [np.zeros((2, 3)), np.zeros(6, np.float32), np.asfortranarray(np.zeros((2, 3), "f4"))]
)
def test_vectors_with_the_wrong_layout_are_refused(tmp_path: Path, vectors: np.ndarray) -> None:
    np.save(tmp_path / "vectors.npy", vectors)
    with pytest.raises(ValueError, match=r"vectors\.npy: .* float32 \[conversations, dimension\] is expected"):
        StoredVectors([tmp_path / "vectors.npy"], [0])


def test_vectors_of_two_dimensions_are_refused(tmp_path: Path) -> None:
    for dimension in (2, 3):
        np.save(tmp_path / f"{dimension}.npy", np.zeros((1, dimension), np.float32))
    with pytest.raises(ValueError, match=r"3\.npy: float32 \(1, 3\)"):
        StoredVectors([tmp_path / "2.npy", tmp_path / "3.npy"], [0])


def test_similarity_equal_to_the_threshold_is_kept() -> None:
    vectors = np.array([[1, 0], [0.95, np.sqrt(1 - 0.95**2)], [0.950002, np.sqrt(1 - 0.950002**2)]], np.float32)
    assert set(find_duplicates(vectors, threshold=0.95, block=16).duplicate_of) == {2}


def test_zero_vectors_are_no_duplicates() -> None:
    assert not find_duplicates(np.zeros((3, 8), np.float32), threshold=0.5).duplicate_of


def run(
    tmp_path: Path, records: list[Any], vectors: np.ndarray, *, shards: int = 1, **changes: Any
) -> tuple[list[Any], list[Any], Any]:
    embedded_folder(tmp_path, records, vectors, shards)
    return deduplicated(tmp_path, **changes)


def deduplicated(tmp_path: Path, **changes: Any) -> tuple[list[Any], list[Any], Any]:
    out = {name: tmp_path / f"{name}.out" for name in ("kept", "rejects", "report")}
    semantic_dedup(Params.model_validate({**BASE, **changes}), tmp_path / "in", tmp_path / "vectors", **out)
    return list(read_jsonl(out["kept"])), list(read_jsonl(out["rejects"])), read_json(out["report"])


def test_the_longest_conversation_is_kept(tmp_path: Path) -> None:
    records = [
        chat("q", "short"),
        chat("q", "a longer answer"),
        chat("q", "a", "q", "b", source="chatlogs"),
        chat("other", "x"),
        chat("q", "x", source="oasst1"),
        chat("q", "x", source="evol_codealpaca"),
    ]
    vectors = unit(np.array([[1, 0], [1, 0.01], [1, 0.02], [0, 1], [1, 0], [1, 0]], np.float32))
    kept, rejects, report = run(tmp_path, records, vectors)
    assert kept == [records[2], records[4], records[3]]  # by source and id; oasst1 is not compared
    assert {reject["duplicate_of"] for reject in rejects} == {records[2]["id"]}
    assert (report["in"], report["compared"], report["passed_without_comparison"]) == (5, 4, 1)


def test_the_verified_answer_is_kept(tmp_path: Path) -> None:
    records = [chat("q", "a longer answer", source="evol_codealpaca"), chat("q", "short", source="verified_python")]
    kept, _, _ = run(tmp_path, records, np.ones((2, 1), np.float32), sources=["evol_codealpaca", "verified_python"])
    assert kept == [records[1]]


def test_order_shards_and_block_change_no_byte(tmp_path: Path) -> None:
    records = [
        chat(f"question {i % 37}", "answer " * (i % 5), source=("sharegpt", "chatlogs")[i % 2]) for i in range(150)
    ]
    vectors = planted(150, 16, 5)
    outputs = []
    for run_number, block in enumerate((16, 64, 1000)):
        order = list(range(150))
        random.Random(run_number).shuffle(order)
        folder = tmp_path / str(run_number)
        _, rejects, _ = run(folder, [records[i] for i in order], vectors[order], block=block, shards=run_number + 1)
        assert rejects
        outputs.append([path.read_bytes() for path in sorted(folder.glob("*.out"))])
    assert outputs[0] == outputs[1] == outputs[2]


def test_one_of_identical_conversations_is_kept(tmp_path: Path) -> None:
    kept, rejects, _ = run(tmp_path, [chat("q", "a")] * 3, np.ones((3, 1), np.float32))
    assert (len(kept), len(rejects)) == (1, 2)


def test_vectors_of_other_conversations_are_refused(tmp_path: Path) -> None:
    embedded_folder(tmp_path, [chat("q", "a"), chat("r", "a")], np.ones((2, 1), np.float32), shards=2)
    np.save(tmp_path / "vectors/sharegpt-00001.npy", np.ones((2, 1), np.float32))
    with pytest.raises(ValueError, match=r"sharegpt-00001\.npy has 2 rows, .*sharegpt-00001\.jsonl 1 lines"):
        deduplicated(tmp_path)
    (tmp_path / "vectors/sharegpt-00001.npy").unlink()
    with pytest.raises(FileNotFoundError, match=r"vectors/sharegpt-00001\.npy, the vectors of .*, is missing"):
        deduplicated(tmp_path)


def test_a_compared_source_without_vectors_is_an_error(tmp_path: Path) -> None:
    records = [chat("q", "a"), chat("q", "a", source="chatlogs")]
    vectors = np.array([[1], [0]], np.float32)
    with pytest.raises(ValueError, match=r"no vector of chatlogs; add it to embed_instructions\.sources"):
        run(tmp_path, records, vectors, sources=["sharegpt", "chatlogs"])
    kept, _, report = run(tmp_path, records, vectors, sources=["sharegpt"])
    assert (len(kept), report["compared"], report["passed_without_comparison"]) == (2, 1, 1)


def test_the_same_pair_of_instructions_is_shown_once(tmp_path: Path) -> None:
    records = [chat("one", "a" * n) for n in (1, 2, 3)] + [chat("two", "bb")]
    vectors = np.array([[1, 0]] * 3 + [[0.95, 0.3122499]], np.float32)
    _, _, report = run(tmp_path, records, vectors, threshold=1, near_margin=0.06)
    near = report["near_threshold"]
    assert near["pairs"] == 6
    assert [(pair["kept"]["instruction"], pair["other"]["instruction"]) for pair in near["closest"]] == [
        ("one", "one"),
        ("one", "two"),
    ]


def test_sources_of_two_groups_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="are two groups"):
        run(tmp_path, [], np.ones((0, 1), np.float32), sources=["sharegpt", "evol_code_80k"])
