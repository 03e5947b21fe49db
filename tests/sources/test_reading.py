"""Reading each file format, and turning unusable records into `BadRecord`s."""

import gzip
import json
from pathlib import Path

import pytest

from lemur.core.records import Record
from lemur.sources.fetched import BadRecord, FetchedFile
from lemur.sources.reading.file_formats import lines, list_entries, records, whole_text
from lemur.sources.reading.rows import FieldError, readable, rows, texts


@pytest.fixture(params=["", ".gz"])
def compression(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def file(folder: Path, name: str, content: bytes) -> FetchedFile:
    (folder / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return FetchedFile(folder, name, "any", "MIT", {})


def test_each_format_with_and_without_compression(tmp_path: Path, compression: str) -> None:
    def write(name: str, content: str) -> FetchedFile:
        return file(tmp_path, name + compression, content.encode())

    def values(name: str, content: str) -> list[object]:
        return [value for _, value in records(write(name, content))]  # type: ignore[misc]

    assert values("a.jsonl", '{"x": 1}\n\n{"x": 2}\n') == [{"x": 1}, {"x": 2}]
    assert values("a.json", '[{"x": 1}, {"x": 2}]') == [{"x": 1}, {"x": 2}]
    assert values("a.csv", 'a,"b\nc"\n1,2\n') == [["a", "b\nc"], ["1", "2"]]
    assert list(list_entries(write("b.json", '{"items": [1, 2]}'), "items")) == [
        (f"b.json{compression}:0", 1),
        (f"b.json{compression}:1", 2),
    ]
    assert [text for _, text in lines(write("a.txt", "one\n\ntwo\r\n"))] == ["one", "two"]  # type: ignore[misc]
    assert whole_text(write("a.txt", "\ufeffone\r\ntwo\r")) == "one\ntwo\n"


def test_bytes_that_are_not_utf8_spoil_only_their_record(tmp_path: Path) -> None:
    cells, bad = records(file(tmp_path, "a.csv", b"a,b\nc,\xff\n"))
    assert cells == ("a.csv:1", ["a", "b"])
    assert isinstance(bad, BadRecord) and (bad.where, bad.reason) == ("a.csv:2", "not_utf8")


@pytest.mark.parametrize(("content", "reason"), [("{", "not_json"), ("{}", "missing_field"), ("[]", "missing_field")])
def test_a_file_without_its_list_is_one_bad_record(tmp_path: Path, content: str, reason: str) -> None:
    (bad,) = list_entries(file(tmp_path, "a.json", content.encode()), "items")
    assert isinstance(bad, BadRecord) and (bad.where, bad.reason) == ("a.json", reason)


def test_errors_that_a_reader_may_raise(tmp_path: Path) -> None:
    def convert(where: str, record: Record) -> str:
        if record.get("x") == "odd":
            raise FieldError("odd", "an odd record")
        return f"{int(record['number'])} {texts(record, 'x')[0]}"

    values = [
        {"x": "fine", "number": 1},
        {"x": "odd"},
        {"number": 1},
        {"x": 1, "number": 1},
        {"x": "", "number": "?"},
        5,
    ]
    items = list(rows(file(tmp_path, "a.json", json.dumps(values).encode()), convert))
    assert items[0] == "1 fine"
    reasons = [item.reason for item in items if isinstance(item, BadRecord)]
    assert reasons == ["odd", "missing_field", "wrong_type", "wrong_type", "wrong_type"]
    with pytest.raises(ValueError, match=r"a\.json:1: odd: an odd record"):
        readable(items)
