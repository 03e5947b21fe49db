import numpy as np
import pytest

from lemur.core import workers
from lemur.core.records import read_json
from lemur.tokens import tokenize_corpus as stage
from lemur.tokens.token_store import TokenStore, write_source
from lemur.tokens.tokenizers.tokenizer_folder import open_folder
from tests.corpus.builders import corpus, files, token_store
from tests.tokens.test_tokenizer import build, documents


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    return build(tmp_path_factory.mktemp("tokenizer"))


def run(folder, tokenizer, records, *, begin=True, end=True):
    train = corpus(folder / "train", records)
    params = stage.Params(begin=begin, end=end)
    stage.tokenize_corpus(params, train, tokenizer, tokens=folder / "tokens", report=folder / "r.json")
    return TokenStore(folder / "tokens"), read_json(folder / "r.json")


def test_borders_delimit_the_documents(tmp_path, tokenizer):
    records = documents()
    store, report = run(tmp_path, tokenizer, records)
    model = open_folder(tokenizer)
    for source in ("python", "books"):
        ids, borders = store.ids(source), store.borders(source)
        texts = [record["text"] for record in records if record["source"] == source]
        for number, text in enumerate(texts):
            document = ids[borders[number] : borders[number + 1]].tolist()
            assert (document[0], document[-1]) == (1, 2)
            assert model.decode(document[1:-1], skip_special_tokens=False) == text
        assert report["sources"][source]["bytes"] == sum(len(text.encode()) for text in texts)
        assert report["sources"][source]["tokens"] == len(ids)
    assert store.ids("python").dtype == np.uint16
    assert len(store.ids("sql")) == 0 and store.lengths("sql").size == 0
    assert report["documents"] == len(records)


def test_markers_are_optional(tmp_path, tokenizer):
    with_both, _ = run(tmp_path / "1", tokenizer, documents())
    without, _ = run(tmp_path / "2", tokenizer, documents(), begin=False, end=False)
    assert (with_both.lengths("books") - without.lengths("books") == 2).all()
    assert without.manifest["begin"] is None


def test_batches_and_workers_change_no_byte(tmp_path, tokenizer, monkeypatch):
    run(tmp_path / "1", tokenizer, documents())
    monkeypatch.setattr(stage, "BATCH_CHARS", 700)
    monkeypatch.setattr(workers, "count", lambda: 1)
    run(tmp_path / "2", tokenizer, documents())
    assert files(tmp_path / "1" / "tokens") == files(tmp_path / "2" / "tokens")


def test_arrays_are_written_document_by_document(tmp_path):
    counts = write_source(tmp_path, "python", 70000, (np.full(length, 69999) for length in (3, 0, 200_000)))
    assert counts == (3, 200_003)
    ids = np.load(tmp_path / "python.npy", mmap_mode="r")
    assert ids.dtype == np.uint32 and ids.shape == (200_003,) and (ids == 69999).all()


def test_a_reader_returns_the_mapped_ids_and_names_a_file_that_ends_early(tmp_path):
    store = TokenStore(token_store(tmp_path / "t", {"books": [5, 0, 70], "sql": []}))
    read, ids = store.reader("books"), store.ids("books")
    for start, count in ((0, 75), (3, 0), (4, 9), (75, 0)):
        assert read(start, count).tolist() == ids[start : start + count].tolist()
        assert read(start, count).dtype == ids.dtype
    assert store.reader("sql")(0, 0).tolist() == []
    with pytest.raises(ValueError, match=r"books\.npy ends before token 76; .dvc checkout --force. restores it"):
        read(70, 6)


def test_a_folder_without_tokens_is_refused(tmp_path):
    with pytest.raises(ValueError, match="tokenize_corpus"):
        TokenStore(tmp_path)
