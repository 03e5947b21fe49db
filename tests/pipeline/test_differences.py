"""A difference planted in each kind of file is located: record, tensor, key, row, field, byte."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save_file

from lemur.core.records import write_json, write_jsonl
from lemur.core.rejects import rejects_writer
from lemur.pipeline.artifacts.differences import difference
from lemur.pipeline.artifacts.values import MISSING, changes, leaf_differences, pair
from lemur.tokens.shards import ShardWriter, token_fields

Write = Callable[[Path], None]


def differ(folder: Path, name: str, old: Write, new: Write) -> str:
    for side, write in (("old", old), ("new", new)):
        (folder / side).mkdir(exist_ok=True)
        write(folder / side / name)
    assert difference(folder / "old" / name, folder / "old" / name) == ""
    return difference(folder / "old" / name, folder / "new" / name)


def test_tensor(tmp_path: Path) -> None:
    tensors = {"a.weight": np.zeros((2, 3), "f4"), "b.weight": np.arange(6, dtype="f4").reshape(2, 3)}
    planted = {**tensors, "b.weight": tensors["b.weight"] + np.array([[0, 0, 0], [0, 0.5, -0.25]], "f4")}
    text = differ(tmp_path, "m.safetensors", lambda p: save_file(tensors, p), lambda p: save_file(planted, p))
    assert text == (
        "1 of 2 tensors differ, the first is b.weight [2, 3] float32: 2 of 6 differ, "
        "first [1, 1]: 4.0 -> 4.5; max abs diff 0.5"
    )
    other = {**tensors, "b.weight": np.zeros((3, 2), "f4")}
    text = differ(tmp_path, "m.safetensors", lambda p: save_file(tensors, p), lambda p: save_file(other, p))
    assert "b.weight [2, 3] float32 -> [3, 2] float32" in text
    fewer = {"a.weight": tensors["a.weight"]}
    text = differ(tmp_path, "m.safetensors", lambda p: save_file(tensors, p), lambda p: save_file(fewer, p))
    assert text.startswith("tensor b.weight is only in one of them")


def test_the_sign_of_zero_is_a_difference_and_nan_equals_nan(tmp_path: Path) -> None:
    old = np.array([np.nan, 0.0, 1.0])
    text = differ(tmp_path, "v.npy", lambda p: np.save(p, old), lambda p: np.save(p, np.array([np.nan, -0.0, 1.0])))
    assert text == "[3] float64: 1 of 3 differ, first [1]: 0.0 -> -0.0; max abs diff 0"


def test_a_scalar_is_an_array_without_axes(tmp_path: Path) -> None:
    old, new = np.array(4, "f4"), np.array(4.5, "f4")
    text = differ(tmp_path, "v.npy", lambda p: np.save(p, old), lambda p: np.save(p, new))
    assert text == "[] float32: 1 of 1 differ, first []: 4.0 -> 4.5; max abs diff 0.5"
    text = differ(
        tmp_path, "m.safetensors", lambda p: save_file({"step": old}, p), lambda p: save_file({"step": new}, p)
    )
    assert text.startswith("1 of 1 tensors differ, the first is step [] float32: 1 of 1 differ, first []: 4.0 -> 4.5")


def test_record(tmp_path: Path) -> None:
    records = [{"id": f"r{i}", "turns": [{"text": "word " * 50 + str(i)}]} for i in range(5)]
    planted = json.loads(json.dumps(records))
    planted[3]["turns"][0]["text"] += "!"
    text = differ(tmp_path, "x.jsonl", lambda p: write_jsonl(p, records), lambda p: write_jsonl(p, planted))
    assert text.startswith("record 4 (id r3): turns[0].text: ")
    assert text.endswith('word 3!"'), "a long value is shown around its difference"
    assert len(text) < 200
    text = differ(tmp_path, "x.jsonl", lambda p: write_jsonl(p, records), lambda p: write_jsonl(p, records[:3]))
    assert text == "record 4 is only in one of them: 5 -> 3 records"


def test_key(tmp_path: Path) -> None:
    text = differ(
        tmp_path,
        "r.json",
        lambda p: write_json(p, {"a": {"b": [1, 2]}, "z": True}),
        lambda p: write_json(p, {"a": {"b": [1, 3]}, "z": 1}),
    )
    assert text == "2 values differ, the first is a.b[1]: 2 -> 3"
    text = differ(
        tmp_path,
        "r.json",
        lambda p: p.write_text('{"a":1}', encoding="utf-8"),
        lambda p: p.write_text('{"a": 1}', encoding="utf-8"),
    )
    assert text.startswith("the same values, encoded differently: byte 5: 0x31 -> 0x20")


def test_row_and_column(tmp_path: Path) -> None:
    curve = "step,loss\n1,2.5\n2,2.25\n"
    text = differ(
        tmp_path,
        "c.csv",
        lambda p: p.write_text(curve, encoding="utf-8"),
        lambda p: p.write_text(curve.replace("2.25", "2.26"), encoding="utf-8"),
    )
    assert text == 'row 2 (step 2), column loss: "2.25" -> "2.26"'
    text = differ(
        tmp_path,
        "c.csv",
        lambda p: p.write_text(curve, encoding="utf-8"),
        lambda p: p.write_text(curve + "3,2.0\n", encoding="utf-8"),
    )
    assert text == "row 3 is only in one of them"


def test_parquet_row(tmp_path: Path) -> None:
    table = pa.table({"id": list(range(3000)), "text": [f"t{i}" for i in range(3000)]})
    planted = table.set_column(1, "text", [[f"t{i}" if i != 2500 else "other" for i in range(3000)]])
    text = differ(tmp_path, "p.parquet", lambda p: pq.write_table(table, p), lambda p: pq.write_table(planted, p))
    assert text == 'row 2500, column text: "t2500" -> "other"'


def test_field_of_a_token_shard(tmp_path: Path) -> None:
    fields = token_fields(100, 4)

    def shards(path: Path, planted: int) -> None:
        with ShardWriter(
            path.parent, sequence_length=4, vocab_size=100, fields=fields, sources=["s"], records_per_shard=10
        ) as writer:
            for number in range(3):
                record = {name: np.zeros(4, int) for name in fields}
                record["tokens"][2] = planted if number == 1 else 7
                writer.write(record)

    name = "shard-00000.arrayrecord"
    text = differ(tmp_path, name, lambda p: shards(p, 7), lambda p: shards(p, 9))
    assert text == "record 1: tokens [4] uint16: 1 of 4 differ, first [2]: 7 -> 9; max abs diff 2"
    for side in ("old", "new"):
        (tmp_path / side / "manifest.json").unlink()
    assert difference(tmp_path / "old" / name, tmp_path / "new" / name) == "record 1: byte 4 (32 -> 32 bytes)"


def test_line_and_byte(tmp_path: Path) -> None:
    text = differ(
        tmp_path,
        "r.md",
        lambda p: p.write_text("a\nb\n", encoding="utf-8"),
        lambda p: p.write_text("a\nc\n", encoding="utf-8"),
    )
    assert text == 'line 2: "b" -> "c"'
    blob = bytes(range(256)) * 8192
    planted = bytearray(blob)
    planted[1_500_000] ^= 0xFF
    text = differ(tmp_path, "x.png", lambda p: p.write_bytes(blob), lambda p: p.write_bytes(bytes(planted)))
    assert text == f"byte 1500000: 0x60 -> 0x9f ({len(blob)} -> {len(blob)} bytes)"
    text = differ(tmp_path, "x.png", lambda p: p.write_bytes(blob), lambda p: p.write_bytes(blob[:-1]))
    assert text.startswith(f"byte {len(blob) - 1}: 0xff -> end of file")


def test_reject(tmp_path: Path) -> None:
    def write(where: str) -> Write:
        def write_rejects(path: Path) -> None:
            with rejects_writer(path) as reject:
                for number in range(3):
                    reject({"reason": "secret", "where": where if number == 1 else "a:1"})

        return write_rejects

    text = differ(tmp_path, "c-00000.jsonl.zst", write("a:2"), write("a:3"))
    assert text == 'record 2: where: "a:2" -> "a:3"'


@pytest.mark.parametrize(
    "name", ["x.json", "x.jsonl", "x.jsonl.zst", "x.safetensors", "x.npy", "x.parquet", "x.arrayrecord"]
)
def test_files_that_do_not_match_their_suffix(tmp_path: Path, name: str) -> None:
    text = differ(tmp_path, name, lambda p: p.write_bytes(b"\xff\x00a"), lambda p: p.write_bytes(b"\xff\x00b"))
    assert text.startswith("byte 2: 0x61 -> 0x62")


TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=3), children, max_size=3),
    max_leaves=10,
)


@given(TREES, TREES)
def test_trees_differ_exactly_if_their_json_does(old: object, new: object) -> None:
    same = json.dumps(old, sort_keys=True) == json.dumps(new, sort_keys=True)
    assert (not list(leaf_differences(old, new))) == same
    assert len(list(changes(old, new))) == len(list(leaf_differences(new, old)))


@given(st.text(), st.text())
def test_a_pair_shows_the_difference_of_two_texts(old: str, new: str) -> None:
    before, _, after = pair(old, new).partition(" -> ")
    assert pair(old, MISSING).endswith("(none)")
    if old != new and " -> " not in old + new:
        assert before != after
