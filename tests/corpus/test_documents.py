import pytest

from lemur.core.records import content_id
from lemur.core.rejects import read_rejects, rejects_writer
from lemur.core.source_shards import read_source, shards, sources
from lemur.corpus.documents import all_shards
from lemur.corpus.sources import SOURCES
from tests.corpus.builders import corpus, document


def test_shards_are_read_in_the_order_of_their_numbers(tmp_path):
    documents = [document("c", f"number {number}", str(number)) for number in range(7)]
    corpus(tmp_path, documents, shards=3)
    (tmp_path / ".source-00000.jsonl.partial").touch()
    assert [record["id"] for record in read_source(tmp_path, "c")] == ["0", "3", "6", "1", "4", "2", "5"]
    assert [path.name for path in shards(tmp_path, "c")] == ["c-00000.jsonl", "c-00001.jsonl", "c-00002.jsonl"]
    assert not list(read_source(tmp_path, "cpp"))
    assert sources(tmp_path) == sorted(SOURCES)
    assert [source for source, _ in all_shards(tmp_path)][::3] == list(SOURCES)


def test_a_missing_shard_is_not_taken_for_an_empty_one(tmp_path):
    corpus(tmp_path, [document("c", str(number)) for number in range(7)], shards=3)
    (tmp_path / "c-00001.jsonl").unlink()
    with pytest.raises(FileNotFoundError, match=r"c-00001.jsonl is missing"):
        list(read_source(tmp_path, "c"))
    (tmp_path / "sql-00000.jsonl").rename(tmp_path / "sql.jsonl")
    with pytest.raises(FileNotFoundError, match=r"sql-00000.jsonl is missing"):
        all_shards(tmp_path)


def test_rejects_are_read_back_and_a_damaged_file_is_named(tmp_path):
    records = [{"reason": "too_short", "record": {"text": "\u2028é\n" * 9}, "where": f"a:{n}"} for n in range(500)]
    for name, part in (("b", records[:3]), ("a", records[3:])):
        with rejects_writer(tmp_path / f"{name}.jsonl.zst") as write:
            for record in part:
                write(record)
    assert list(read_rejects(tmp_path)) == records[3:] + records[:3]
    data = (tmp_path / "a.jsonl.zst").read_bytes()
    assert len(data) < 20_000
    (tmp_path / "a.jsonl.zst").write_bytes(data[:-9])
    with pytest.raises(ValueError, match=r"a.jsonl.zst: cut off or damaged.*run the stage that wrote it again"):
        list(read_rejects(tmp_path))


def test_an_id_has_128_bits_of_the_content():
    """The SHA-256 of `"x = 1\\n"` with its quotes; `sha256sum` gives the same."""
    assert content_id("python", "x = 1\n") == "python-5881b0559e821883285f005e0c802098"
    assert content_id("python", {"b": 1, "a": 2}) == content_id("python", {"a": 2, "b": 1})
