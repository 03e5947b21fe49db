import json

import numpy as np
import pytest

from lemur.tokens.shard_validation import validate
from lemur.tokens.shards import ShardWriter, index_dtype, open_shards, token_fields
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


def test_fingerprint_depends_on_the_records_not_on_the_files(tmp_path):
    first, second = shards(tmp_path / "1", 30, per_shard=4), shards(tmp_path / "2", 30, per_shard=30)
    other = shards(tmp_path / "3", 29)
    assert first.fingerprint == second.fingerprint != other.fingerprint


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
        ("tokens", np.zeros(7, int), r"shape \(7,\)"),
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
    assert "tokens by source" in validate(folder)[0]


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
