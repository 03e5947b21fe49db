import json

import numpy as np
import pytest

from lemur.tokens.shard_validation import validate
from lemur.tokens.shards import (
    Layout,
    ShardFile,
    ShardWriter,
    index_dtype,
    open_shards,
    shard_name,
    token_fields,
    write_manifest,
)
from tests.corpus.builders import files, shards


def test_records_are_read_back_with_their_dtypes(tmp_path):
    opened = shards(tmp_path / "s", 20)
    assert len(opened) == 20
    assert [shard["records"] for shard in opened.manifest["shards"]] == [7, 7, 6]
    for index in (0, 6, 7, 19):
        assert opened[index]["tokens"].tolist() == [index] * 8
    assert opened[3]["tokens"].dtype == np.uint16 and opened[3]["loss"].dtype == np.uint8
    assert opened.manifest["tokens"] == {"a": 80, "b": 80}


@pytest.mark.parametrize("index", [-1, 20])
def test_index_beyond_the_records_is_refused(tmp_path, index):
    with pytest.raises(IndexError, match="of 20"):
        shards(tmp_path / "s", 20)[index]


def test_same_records_same_bytes(tmp_path):
    first, second = shards(tmp_path / "1", 30), shards(tmp_path / "2", 30)
    assert files(first.folder) == files(second.folder)


def test_fingerprint_depends_on_the_records_and_their_shards_not_on_the_compression(tmp_path, monkeypatch):
    first, divided = shards(tmp_path / "1", 30), shards(tmp_path / "2", 30, per_shard=30)
    other = shards(tmp_path / "3", 29)
    monkeypatch.setattr("lemur.tokens.shards.OPTIONS", "group_size:1,uncompressed")
    uncompressed = shards(tmp_path / "4", 30)
    assert files(first.folder) != files(uncompressed.folder)
    assert first.fingerprint == uncompressed.fingerprint
    assert len({first.fingerprint, divided.fingerprint, other.fingerprint}) == 3


def test_an_empty_set_can_be_opened(tmp_path):
    opened = shards(tmp_path / "s", 0)
    assert len(opened) == 0
    assert validate(tmp_path / "s") == []


def test_vocabulary_decides_the_dtype():
    assert index_dtype(65536) == "uint16"
    assert index_dtype(65537) == "uint32"


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("tokens", np.full(8, 10), "0 to 9 is allowed"),
        ("tokens", np.full(8, -1), "0 to 9 is allowed"),
        ("tokens", np.zeros(7, int), r"shape \(1, 7\); \(1, 8\) is allowed"),
        ("sources", np.full(8, 1), "0 to 0 is allowed"),
        ("segments", np.full(8, 70000), "0 to 65535 is allowed"),
    ],
)
def test_wrong_records_are_refused(tmp_path, field, value, message):
    record = {name: np.zeros(8, int) for name in token_fields(10, 8)}
    writer = ShardWriter(
        tmp_path, sequence_length=8, vocab_size=10, fields=token_fields(10, 8), sources=["a"], records_per_shard=4
    )
    with pytest.raises(ValueError, match=message):
        writer.write({**record, field: value})
    with pytest.raises(ValueError, match="record has fields"):
        writer.write({"tokens": np.zeros(8, int)})


def test_no_manifest_after_an_error(tmp_path):
    with (
        pytest.raises(RuntimeError),
        ShardWriter(
            tmp_path, sequence_length=8, vocab_size=10, fields=token_fields(10, 8), sources=["a"], records_per_shard=4
        ),
    ):
        raise RuntimeError
    with pytest.raises(ValueError, match=r"no manifest\.json"):
        open_shards(tmp_path)


def test_a_missing_shard_and_another_format_are_refused(tmp_path):
    folder = shards(tmp_path / "s", 20).folder
    (folder / "shard-00001.arrayrecord").unlink()
    with pytest.raises(ValueError, match="shard-00001"):
        open_shards(folder)
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    (folder / "manifest.json").write_text(json.dumps({**manifest, "format": "other"}), encoding="utf-8")
    with pytest.raises(ValueError, match="'other'"):
        open_shards(folder)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda data: data[: len(data) // 2], "shard-00001.arrayrecord has 65536 bytes; 131072 are in manifest.json"),
        (lambda data: b"", "shard-00001.arrayrecord has 0 bytes; 131072 are in manifest.json"),
        (lambda data: bytes(len(data)), "s: a shard cannot be opened"),
        (lambda data: data[:100] + bytes(byte ^ 255 for byte in data[100:600]) + data[600:], "s: record 10 cannot be"),
    ],
)
def test_errors_for_a_damaged_shard_say_what_is_wrong_and_how_to_repair_it(tmp_path, damage, message):
    path = shards(tmp_path / "s", 20).folder / "shard-00001.arrayrecord"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match=f"{message}.*`lemur validate` names .* `dvc checkout --force` restores it"):
        open_shards(tmp_path / "s")[10]


def test_validate_finds_a_flipped_bit_and_a_wrong_count(tmp_path):
    folder = shards(tmp_path / "s", 20).folder
    assert validate(folder) == []
    path = folder / "shard-00001.arrayrecord"
    sound = path.read_bytes()
    path.write_bytes(sound[:100] + bytes([sound[100] ^ 1]) + sound[101:])
    assert "sha256" in validate(folder)[0]
    path.write_bytes(sound)
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    manifest["tokens"]["a"] += 1
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    problems = validate(folder)
    assert "tokens by source" in problems[0] and "fingerprint" in problems[1]


def test_records_written_together_are_those_written_one_by_one(tmp_path):
    layout = Layout(8, 100, token_fields(100, 8), ["a", "b"])
    rng = np.random.default_rng(0)
    tops = {"tokens": 100, "sources": 2, "loss": 2, "segments": 3, "positions": 8}
    arrays = {name: rng.integers(0, top, (5, 8)) for name, top in tops.items()}
    together, singly = ShardFile(tmp_path / "1" / "x", layout), ShardFile(tmp_path / "2" / "x", layout)
    together.write(arrays)
    for number in range(5):
        singly.write({name: array[number : number + 1] for name, array in arrays.items()})
    shard = together.close()
    assert shard == singly.close() and files(tmp_path / "1") == files(tmp_path / "2")
    assert (shard.records, shard.padding) == (5, np.count_nonzero(arrays["segments"] == 0))
    assert shard.tokens == [np.count_nonzero((arrays["segments"] > 0) & (arrays["sources"] == n)) for n in (0, 1)]


def test_a_shard_without_records_stays_and_has_no_place_in_the_order(tmp_path):
    layout = Layout(4, 9, token_fields(9, 4), ["a"])
    rows = []
    for number, records in enumerate((0, 2, 0, 1, 0)):
        file = ShardFile(tmp_path / shard_name(number), layout)
        file.write({name: np.full((records, 4), number) for name in layout.fields if name != "sources"} | {
            "sources": np.zeros((records, 4), int)
        })  # fmt: skip
        rows.append(file.close())
    write_manifest(tmp_path, layout, rows)
    opened = open_shards(tmp_path)
    assert [int(opened[index]["tokens"][0]) for index in range(len(opened))] == [1, 1, 3]
    with pytest.raises(IndexError):
        opened[3]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"segments": [2, 2, 2, 2]}, "segments"),
        ({"segments": [1, 1, 0, 1]}, "segments"),
        ({"segments": [1, 1, 3, 3]}, "segments"),
        ({"segments": [1, 1, 2, 2]}, "positions"),
        ({"sources": [0, 0, 1, 1]}, "two sources"),
        ({"segments": [1, 1, 1, 0], "tokens": [5, 5, 5, 5]}, "padding"),
    ],
)
def test_validate_finds_broken_sequences(tmp_path, changes, message):
    record = {"tokens": [0] * 4, "segments": [1] * 4, "positions": [0, 1, 2, 3], "sources": [0] * 4, "loss": [0] * 4}
    with ShardWriter(
        tmp_path, sequence_length=4, vocab_size=9, fields=token_fields(9, 4), sources=["a", "b"], records_per_shard=4
    ) as writer:
        writer.write({name: np.array(value) for name, value in {**record, **changes}.items()})
    assert any(message in problem for problem in validate(tmp_path))
