import pytest

from lemur.core.records import read_json
from lemur.corpus.split_corpus import Params, split_corpus
from tests.corpus.builders import corpus, document, files, read_corpus


def run(folder, documents, shards=1, **changes):
    values = {"share": 0.2, "min_documents": 0, "max_bytes": 10**9, "seed": 0, **changes}
    source = corpus(folder / "in", documents, shards)
    split_corpus(Params(**values), source, train=folder / "t", heldout=folder / "h", report=folder / "r.json")
    sides = [{record["id"] for record in read_corpus(folder / side)} for side in "th"]
    return *sides, read_json(folder / "r.json")


def documents(count, source="python"):
    return [document(source, f"{source} text {number}", f"{source}-{number}") for number in range(count)]


def test_every_document_is_on_one_side(tmp_path):
    train, heldout, report = run(tmp_path, [*documents(300), *documents(300, "books")])
    assert not train & heldout and len(train | heldout) == 600
    assert 90 < len(heldout) < 150
    assert report["in"] == 600 and report["dropped"] == {"held_out": len(heldout)}


def test_more_data_moves_no_document(tmp_path):
    _, few, _ = run(tmp_path / "1", documents(100))
    train, many, _ = run(tmp_path / "2", documents(300)[::-1])
    assert few <= many and not few & train


def test_minimum_and_maximum(tmp_path):
    _, heldout, _ = run(tmp_path / "1", documents(10), share=0.0, min_documents=3)
    assert len(heldout) == 3
    _, heldout, _ = run(tmp_path / "2", documents(3), share=0.0, min_documents=3)
    assert len(heldout) == 1
    _, heldout, report = run(tmp_path / "3", documents(300), share=0.5, max_bytes=100)
    assert 0 < report["heldout_bytes"]["python"] <= 100 and 0 < len(heldout) <= 7


def test_seed_changes_the_choice(tmp_path):
    assert run(tmp_path / "1", documents(100))[1] != run(tmp_path / "2", documents(100), seed=1)[1]


CASES = [{}, {"share": 0.0, "min_documents": 7}, {"share": 0.5, "max_bytes": 100}, {"share": 0.02, "min_documents": 9}]


@pytest.mark.parametrize("case", CASES)
def test_how_documents_are_sharded_decides_nothing(tmp_path, monkeypatch, case):
    everything = [*documents(60), *documents(11, "books"), *documents(1, "sql"), *documents(3)]  # three ids twice
    monkeypatch.setenv("LEMUR_WORKERS", "1")
    whole = run(tmp_path / "1", everything, **case)
    assert whole[1]
    for shards in (2, 7):
        assert run(tmp_path / str(shards), everything, shards, **case) == whole


def test_same_bytes_for_any_number_of_workers(tmp_path, monkeypatch):
    for workers in ("1", "2"):
        monkeypatch.setenv("LEMUR_WORKERS", workers)
        run(tmp_path / workers, documents(60), 3, min_documents=9)
    first = files(tmp_path / "1")
    assert first == files(tmp_path / "2") and {"t/c-00002.jsonl", "h/python-00002.jsonl"} <= set(first)
