from lemur.core.records import read_json
from lemur.corpus.split_corpus import Params, split_corpus
from tests.corpus.builders import corpus, document, read_corpus


def run(folder, documents, **changes):
    values = {"share": 0.2, "min_documents": 0, "max_bytes": 10**9, "seed": 0, **changes}
    source = corpus(folder / "in", documents)
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
