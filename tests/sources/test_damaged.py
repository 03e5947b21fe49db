"""Records and files as real sources have them: half characters, byte order marks, compression, cut-off downloads."""

import bz2
import gzip
import json
import lzma
from pathlib import Path
from typing import Any

import pytest

from lemur.corpus.readers import read as read_documents
from lemur.instructions.readers import read as read_conversations
from lemur.sources.fetched import BadRecord, DamagedFile, FetchedFile
from lemur.sources.reading.file_formats import lines, list_entries, records, whole_text

BOM = b"\xef\xbb\xbf"
GOOD = b'{"text": "good"}'
DEEP = b"[" * 100_000 + b"]" * 100_000
BAD_VALUES = {
    "half a surrogate pair": (rb'{"text": "\ud83d"}', "bad_text"),
    "the other half": (rb'{"text": "\ude00 x"}', "bad_text"),
    "half in a key": (rb'{"text": "", "\ud83d": 1}', "bad_text"),
    "half in a field that no reader uses": (rb'{"text": "", "meta": [{"id": "\udfff"}]}', "bad_text"),
    "nested 100,000 deep": (b'{"text": "", "x": %s}' % DEEP, "not_json"),
    "nested 201 deep": (b'{"text": "", "x": %s}' % (b"[" * 200 + b"]" * 200), "not_json"),
    "integer of 5,000 digits": (b'{"text": "", "x": %s}' % (b"7" * 5000), "not_json"),
    "NaN": (b'{"text": "", "x": NaN}', "not_json"),
    "infinity": (b'{"text": "", "x": -Infinity}', "not_json"),
    "no JSON": (b'{"text": tru}', "not_json"),
    "bytes that are not UTF-8": (b'{"text": "\xff"}', "not_utf8"),
    "an encoded surrogate": (b'{"text": "\xed\xa0\xbd"}', "not_utf8"),
}


def file(folder: Path, name: str, content: bytes, schema: str = "text_jsonl", **meta: Any) -> FetchedFile:
    (folder / name).write_bytes(content)
    return FetchedFile(folder, name, schema, "MIT", meta)


def outcome(items: Any) -> list[Any]:
    """The reason of each bad record, the value of each good one."""
    return [item.reason if isinstance(item, BadRecord) else item[1] for item in items]


@pytest.mark.parametrize("case", BAD_VALUES)
@pytest.mark.parametrize("chunk", [7, 1 << 20])
def test_one_bad_record_is_one_reject(tmp_path: Path, case: str, chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lemur.sources.reading.file_formats._CHUNK", chunk)
    bad, reason = BAD_VALUES[case]
    expected = [{"text": "good"}, reason, {"text": "good"}]
    assert outcome(records(file(tmp_path, "a.jsonl", b"\n".join([GOOD, bad, GOOD])))) == expected
    assert outcome(records(file(tmp_path, "a.json", b"[" + b", ".join([GOOD, bad, GOOD]) + b"]"))) == expected


def test_nesting_that_is_allowed_and_paired_surrogates(tmp_path: Path) -> None:
    value = b'{"text": "\\ud83d\\ude00", "x": %s}' % (b"[" * 199 + b"]" * 199)
    (record,) = outcome(records(file(tmp_path, "a.jsonl", value)))
    assert record["text"] == "\N{GRINNING FACE}"


@pytest.mark.parametrize("name", ["a.json", "a.jsonl", "a.csv", "a.txt", "a.parquet", "a.json.gz"])
@pytest.mark.parametrize("content", [b"", b"\n"])
def test_empty_files(tmp_path: Path, name: str, content: bytes) -> None:
    empty = file(tmp_path, name, gzip.compress(content) if name.endswith(".gz") else content)
    if name.endswith(".parquet") and content:
        with pytest.raises(DamagedFile, match=r"a\.parquet: damaged Parquet after row 0"):
            list(records(empty))
    else:
        expected = {"a.json": ["not_json"], "a.json.gz": ["not_json"], "a.parquet": ["wrong_type"]}
        csv_rows = [[]] if name == "a.csv" and content else []
        assert outcome(records(empty)) == expected.get(name, csv_rows)
    assert list(lines(empty)) == [] or name.endswith("parquet")
    for schema in ("text_lines", "wikitext", "latex", "plain_text", "dm_mathematics", "markdown_play"):
        list(read_documents(FetchedFile(tmp_path, name, schema, "MIT", {})))


def test_a_byte_order_mark_is_no_text(tmp_path: Path) -> None:
    assert outcome(records(file(tmp_path, "a.jsonl", BOM + GOOD + b"\n" + BOM + GOOD))) == [{"text": "good"}] * 2
    assert outcome(records(file(tmp_path, "a.json", BOM + b"[" + GOOD + b"]"))) == [{"text": "good"}]
    assert outcome(records(file(tmp_path, "b.json", BOM + GOOD))) == [{"text": "good"}]
    assert outcome(records(file(tmp_path, "a.csv", BOM + b"a,b\n"))) == [["a", "b"]]
    assert outcome(lines(file(tmp_path, "a.txt", BOM + b"a\n" + BOM + b"b\n"))) == ["a", "b"]
    assert whole_text(file(tmp_path, "a.txt", BOM + b"a\n")) == "a\n"
    assert outcome(list_entries(file(tmp_path, "c.json", BOM + b'{"x": [1]}'), "x")) == [1]


NOTEBOOK = {"language": "Jupyter Notebook"}


def notebook(source: Any) -> str:
    return json.dumps({"cells": [{"cell_type": "code", "source": source}]})


def test_a_notebook_with_a_byte_order_mark(tmp_path: Path) -> None:
    content = BOM + notebook("x = 1").encode()
    (whole,) = read_documents(file(tmp_path, "a.ipynb", content, "source_files", **NOTEBOOK))
    row = {"content": content.decode(), "lang": "Jupyter Notebook", "max_stars_repo_licenses": []}
    (record,) = read_documents(file(tmp_path, "a.jsonl", json.dumps(row).encode(), "stack"))
    assert whole.text == record.text == "# %%\nx = 1\n"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("source", "reason"),
    [([["a"]], "wrong_type"), (None, "wrong_type"), ({"a": 1}, "wrong_type"), ("\ud83d", "bad_text")],
)
def test_a_cell_that_is_no_text(tmp_path: Path, source: Any, reason: str) -> None:
    content = notebook(source)
    (whole,) = read_documents(file(tmp_path, "a.ipynb", content.encode(), "source_files", **NOTEBOOK))
    row = {"content": content, "lang": "Jupyter Notebook", "max_stars_repo_licenses": []}
    (record,) = read_documents(file(tmp_path, "a.jsonl", json.dumps(row).encode(), "stack"))
    assert [whole.reason, record.reason] == [reason, reason]  # type: ignore[union-attr]


@pytest.mark.parametrize("field", ["id", "value"])
def test_half_a_surrogate_pair_in_a_conversation(tmp_path: Path, field: str) -> None:
    row = {"id": "a", "conversations": [{"from": "human", "value": "Q"}, {"from": "gpt", "value": "A"}]}
    text = json.dumps([row, row]).replace('"a"' if field == "id" else '"A"', r'"\ud83d"', 1)
    bad, good = read_conversations(file(tmp_path, "a.json", text.encode(), "sharegpt"))
    assert bad.reason == "bad_text" and good.turns[0] == ("human", "Q")  # type: ignore[union-attr]


def test_half_a_surrogate_pair_in_a_history_that_is_json_text(tmp_path: Path) -> None:
    row = {"instruction": "Q", "output": "A", "history": r'[["\ud83d", "a"]]'}
    (bad,) = read_conversations(file(tmp_path, "a.json", json.dumps([row]).encode(), "oaast_history"))
    assert bad.reason == "bad_text"  # type: ignore[union-attr]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_utf_16_is_named(tmp_path: Path, encoding: str) -> None:
    content = "\ufeff[]\n".encode(encoding)
    name = encoding[:6].upper()
    for ending in ("jsonl", "json", "csv"):
        with pytest.raises(DamagedFile, match=rf"a\.{ending}: byte 0: the byte order mark of {name}"):
            list(records(file(tmp_path, f"a.{ending}", content)))
    bad = whole_text(file(tmp_path, "a.txt", content))
    assert isinstance(bad, BadRecord) and (bad.reason, name in bad.detail) == ("not_utf8", True)


def zstd(content: bytes) -> bytes:
    import pyarrow

    return bytes(pyarrow.Codec("zstd").compress(content, asbytes=True))


COMPRESS = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress, ".zst": zstd}


@pytest.mark.parametrize("ending", COMPRESS)
def test_compressed_files_and_members_that_follow_each_other(tmp_path: Path, ending: str) -> None:
    compress = COMPRESS[ending]
    row = GOOD + b"\n"
    assert outcome(records(file(tmp_path, f"a.jsonl{ending}", compress(row) + compress(row)))) == [{"text": "good"}] * 2
    whole = compress(b"[" + GOOD) + compress(b"," + GOOD + b"]")
    assert outcome(records(file(tmp_path, f"a.json{ending}", whole))) == [{"text": "good"}] * 2
    assert outcome(records(file(tmp_path, f"b.jsonl{ending}", b""))) == []


@pytest.mark.parametrize("ending", COMPRESS)
def test_a_compressed_file_that_is_cut_off_or_damaged(tmp_path: Path, ending: str) -> None:
    rows = b"".join(b'{"text": "%d"}\n' % (number**9) for number in range(50_000))
    content = COMPRESS[ending](rows)
    damaged = content[: len(content) // 2] + b"damaged!" + content[len(content) // 2 + 8 :]
    cut = [content[:-9], content[: len(content) // 2], b"no compressed data"]
    for broken in cut if ending == ".zst" else [*cut, damaged]:  # these zstd frames have no checksum
        with pytest.raises(DamagedFile, match=rf"a\.jsonl{ending}: cut off or damaged after byte \d+ .*fetch it again"):
            list(records(file(tmp_path, f"a.jsonl{ending}", broken)))
        bad = whole_text(FetchedFile(tmp_path, f"a.jsonl{ending}", "plain_text", "MIT", {}))
        assert isinstance(bad, BadRecord) and "after byte" in bad.detail


@pytest.mark.parametrize("content", [b"[%s,\n %s]\n", b"[\n%s,\n%s\n]", b"\n [ %s, %s ]"])
def test_a_json_list_named_jsonl(tmp_path: Path, content: bytes) -> None:
    assert outcome(records(file(tmp_path, "a.jsonl", content % (GOOD, GOOD)))) == [{"text": "good"}] * 2


def test_lists_as_json_lines_are_no_records(tmp_path: Path) -> None:
    items = list(read_documents(file(tmp_path, "a.jsonl", b'[1]\n["x"]\n' + GOOD)))
    assert [getattr(item, "reason", "good") for item in items] == ["wrong_type", "wrong_type", "good"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'[{"text": "x"}, {"te', r"byte 16: record 1 is damaged or the file is cut off"),
        (b'[{"text": "x"}', r"byte 1: record 0 is damaged"),
        (b'[{"text": "x"}] [{"text": "y"}]', r"byte 16: .* follows the end of the JSON list"),
        ('[{"text": "é"}, {'.encode(), r"byte 17: record 1"),
    ],
)
@pytest.mark.parametrize("chunk", [3, 1 << 20])
def test_a_damaged_list_names_its_byte(
    tmp_path: Path, content: bytes, message: str, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lemur.sources.reading.file_formats._CHUNK", chunk)
    for name, data in (("a.json", content), ("a.json.gz", gzip.compress(content))):
        with pytest.raises(DamagedFile, match=f"{name}: {message}"):
            list(records(file(tmp_path, name, data)))


def test_a_cell_that_is_too_long(tmp_path: Path) -> None:
    content = b"a,b\n" + b"x" * 200_000 + b",c\nd,e\n"
    assert outcome(records(file(tmp_path, "a.csv", content))) == [["a", "b"], "wrong_type", ["d", "e"]]


def test_parquet_with_a_text_that_is_not_utf8(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet

    texts = pa.array([b"a", b"\xff", b"c"]).cast(pa.binary()).view(pa.string())
    pyarrow.parquet.write_table(pa.table({"text": texts}), tmp_path / "a.parquet")
    table = FetchedFile(tmp_path, "a.parquet", "any", "MIT", {})
    assert outcome(records(table)) == [{"text": "a"}, "wrong_type", {"text": "c"}]
    content = table.path.read_bytes()
    with pytest.raises(DamagedFile, match=r"a\.parquet: damaged Parquet after row 0"):
        list(records(file(tmp_path, "a.parquet", content[:-20])))


def test_a_list_of_entries_that_is_none(tmp_path: Path) -> None:
    assert outcome(list_entries(file(tmp_path, "a.json", b'{"x": 5}'), "x")) == ["missing_field"]
    assert outcome(list_entries(file(tmp_path, "a.json", rb'{"x": ["\ud83d", 1]}'), "x")) == ["bad_text", 1]
