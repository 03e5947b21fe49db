import json
import os
import subprocess
import sys

import numpy as np
import pytest

from lemur.core.files import ROOT
from lemur.core.records import read_json
from lemur.tokens import tokenize_corpus as stage
from lemur.tokens.token_store import TokenStore
from lemur.tokens.tokenizers.tokenizer_folder import open_folder
from tests.corpus.builders import corpus, files, stored
from tests.tokens.test_tokenizer import build, documents


@pytest.fixture(autouse=True, scope="module")
def one_worker():
    """Unless a test says otherwise: two would take seconds to start, for every example."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LEMUR_WORKERS", "1")
        yield


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    return build(tmp_path_factory.mktemp("tokenizer"))


def run(folder, tokenizer, records, *, begin=True, end=True, shards=1):
    train = corpus(folder / "train", records, shards)
    params = stage.Params(begin=begin, end=end)
    stage.tokenize_corpus(params, train, tokenizer, tokens=folder / "tokens", report=folder / "r.json")
    return TokenStore(folder / "tokens"), read_json(folder / "r.json")


def test_borders_delimit_the_documents(tmp_path, tokenizer):
    records = documents()
    store, report = run(tmp_path, tokenizer, records)
    model = open_folder(tokenizer)
    for source in ("python", "books"):
        ids = store.ids(f"{source}-00000")
        texts = [record["text"] for record in records if record["source"] == source]
        for document, text in zip(stored(store, source), texts, strict=True):
            assert (document[0], document[-1]) == (1, 2)
            assert model.decode(document[1:-1], skip_special_tokens=False) == text
        assert report["sources"][source]["bytes"] == sum(len(text.encode()) for text in texts)
        assert report["sources"][source]["tokens"] == len(ids)
    assert store.ids("python-00000").dtype == np.uint16
    assert len(store.ids("sql-00000")) == 0 and store.lengths("sql").size == 0
    assert report["documents"] == len(records)


def test_markers_are_optional(tmp_path, tokenizer):
    with_both, _ = run(tmp_path / "1", tokenizer, documents())
    without, _ = run(tmp_path / "2", tokenizer, documents(), begin=False, end=False)
    assert (with_both.lengths("books") - without.lengths("books") == 2).all()
    assert without.manifest["begin"] is None


def test_batches_and_workers_change_no_byte(tmp_path, tokenizer, monkeypatch):
    monkeypatch.setenv("LEMUR_WORKERS", "2")
    run(tmp_path / "1", tokenizer, documents(), shards=2)
    monkeypatch.setenv("LEMUR_WORKERS", "1")
    monkeypatch.setattr(stage, "BATCH_CHARS", 700)
    run(tmp_path / "2", tokenizer, documents(), shards=2)
    assert files(tmp_path / "1" / "tokens") == files(tmp_path / "2" / "tokens")
    assert (tmp_path / "1" / "r.json").read_bytes() == (tmp_path / "2" / "r.json").read_bytes()
    assert not list(tmp_path.glob("*/.*"))


def test_each_shard_of_documents_becomes_one_of_tokens(tmp_path, tokenizer):
    whole, report = run(tmp_path / "1", tokenizer, documents())
    divided, other = run(tmp_path / "2", tokenizer, documents(), shards=3)
    assert report == other
    assert [shard["name"] for shard in divided.manifest["sources"]["sql"]["shards"]] == [
        f"sql-0000{n}" for n in range(3)
    ]
    # `corpus` deals documents out in turn.
    expected = stored(whole, "books")
    assert stored(divided, "books") == [*expected[0::3], *expected[1::3], *expected[2::3]]


def test_a_killed_worker_leaves_no_part_of_a_file(tmp_path, tokenizer, monkeypatch):
    train = corpus(tmp_path / "train", documents(), 3)
    (train / "books-00001.jsonl").unlink()
    os.mkfifo(train / "books-00001.jsonl")  # a worker waits here
    script = (
        "import sys; from pathlib import Path; from lemur.tokens.tokenize_corpus import Params, tokenize_corpus; "
        "train, model, out = map(Path, sys.argv[1:]); "
        "tokenize_corpus(Params(begin=True, end=True), train, model, tokens=out / 'tokens', report=out / 'r.json')"
    )
    monkeypatch.setenv("LEMUR_WORKERS", "2")
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}/src")
    stage_process = subprocess.Popen([sys.executable, "-c", script, train, tokenizer, tmp_path])
    with (train / "books-00001.jsonl").open("wb") as file:  # returns when the worker reads
        file.write(json.dumps(documents()[9]).encode() + b"\n")
        file.flush()
        stage_process.kill()
        stage_process.wait()
    written = {path.name for path in (tmp_path / "tokens").iterdir()}
    assert "books-00001.npy" not in written and "manifest.json" not in written
    for name in written:
        assert np.load(tmp_path / "tokens" / name).ndim == 1
