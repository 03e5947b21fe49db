import json
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lemur.tokens.shard_validation import validate_store
from lemur.tokens.token_store import TokenStore, write_shard
from tests.corpus.builders import stored, token_store


@settings(max_examples=40, deadline=None)
@given(
    lengths=st.lists(st.sampled_from([0, 1, 2, 70]), max_size=12),
    cuts=st.lists(st.integers(0, 12), max_size=4).map(sorted),
    numbers=st.lists(st.integers(0, 11), max_size=20),
)
def test_several_shards_are_read_as_one(tmp_path_factory, lengths, cuts, numbers):
    folder = tmp_path_factory.mktemp("store")
    one = TokenStore(token_store(folder / "one", {"books": lengths}))
    several = TokenStore(token_store(folder / "several", {"books": lengths}, cuts=cuts))
    assert len(several.manifest["sources"]["books"]["shards"]) == len(cuts) + 1
    assert several.documents("books") == len(lengths)
    assert several.lengths("books").tolist() == lengths
    assert stored(several, "books") == stored(one, "books")
    chosen = np.array([number for number in numbers if number < len(lengths)], int)  # in any order, some twice
    ids, first, length = several.read("books", chosen)
    assert ids.dtype == np.uint16 and length.tolist() == several.lengths("books", chosen).tolist()
    everything = stored(one, "books")
    for place, number in enumerate(chosen.tolist()):
        assert ids[first[place] : first[place] + length[place]].tolist() == everything[number]
    assert validate_store(folder / "several") == []


def test_arrays_are_written_document_by_document(tmp_path):
    documents = (np.full(length, 69999) for length in (3, 0, 200_000))
    row = write_shard(tmp_path / "python-00000.npy", tmp_path / "python-00000.borders.npy", 70000, documents)
    assert (row["name"], row["documents"], row["tokens"]) == ("python-00000", 3, 200_003)
    ids = np.load(tmp_path / "python-00000.npy", mmap_mode="r")
    assert ids.dtype == np.uint32 and ids.shape == (200_003,) and (ids == 69999).all()
    assert np.load(tmp_path / "python-00000.borders.npy").tolist() == [0, 3, 3, 200_003]


def test_the_fingerprint_of_a_source_follows_from_its_shards(tmp_path):
    def fingerprints(name, lengths, cuts=()):
        sources = TokenStore(token_store(tmp_path / name, lengths, cuts=cuts)).manifest["sources"]
        return sources["books"]["fingerprint"], sources["sql"]["fingerprint"]

    first = fingerprints("1", {"books": [5, 6], "sql": [7]}, [1])
    assert fingerprints("2", {"books": [5, 6], "sql": [7]}, [1]) == first
    books, sql = fingerprints("3", {"books": [5, 8], "sql": [7]}, [1])
    assert books != first[0] and sql == first[1]
    assert fingerprints("4", {"books": [5, 6], "sql": [7]})[0] != first[0]


@pytest.mark.parametrize("number", [-1, 3])
def test_a_document_that_is_not_there_is_refused(tmp_path, number):
    store = TokenStore(token_store(tmp_path / "t", {"books": [5, 0, 70]}, cuts=[2]))
    for read in (store.read, store.lengths):
        with pytest.raises(IndexError, match=r"books has documents 0 to 2, not .* run mix_corpus again"):
            read("books", np.array([0, number]))


def test_a_folder_without_tokens_is_refused(tmp_path):
    with pytest.raises(ValueError, match="tokenize_corpus"):
        TokenStore(tmp_path)


REPAIR = r"`dvc checkout --force` restores it, or run tokenize_corpus again"


@pytest.mark.parametrize("name", ["books-00001.npy", "books-00001.borders.npy"])
def test_a_missing_or_truncated_file_is_named(tmp_path, name):
    folder = token_store(tmp_path / "t", {"books": [5, 0, 70], "sql": []}, cuts=[2])
    data = (folder / name).read_bytes()
    (folder / name).write_bytes(data[:-1])
    size = {"books-00001.npy": 268, "books-00001.borders.npy": 144}[name]
    message = f"{re.escape(name)} has {size - 1} bytes; {size} follow from manifest.json; {REPAIR}"
    with pytest.raises(ValueError, match=message):
        TokenStore(folder)
    (folder / name).unlink()
    with pytest.raises(ValueError, match=f"{re.escape(name)} is missing; {REPAIR}"):
        TokenStore(folder)
    assert len(validate_store(folder)) == 1


def test_validate_names_every_faulty_shard(tmp_path):
    folder = token_store(tmp_path / "t", {"books": [5, 0, 70], "sql": [3]}, cuts=[2])
    for name, at in (("books-00001.npy", 130), ("sql-00000.borders.npy", 130)):
        data = bytearray((folder / name).read_bytes())
        data[at] ^= 255
        (folder / name).write_bytes(data)
    manifest = json.loads((folder / "manifest.json").read_bytes())
    manifest["sources"]["books"]["tokens"] += 1
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    problems = "\n".join(validate_store(folder))
    for part in (
        "76 tokens of books, but its shards have 75",
        "books-00001.npy: sha256",
        "sql-00000.borders.npy: sha256",
        "do not rise",
    ):
        assert part in problems
