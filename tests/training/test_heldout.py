"""Held-out losses of models whose losses are known."""

import math

import numpy as np
import pytest
from flax import nnx

from lemur.core.records import write_jsonl
from lemur.model.weights import build
from lemur.training.monitoring.heldout import Heldout
from tests.model.reference import random_tensors, small_config
from tests.training.builders import write_tokenizer


@pytest.fixture
def folder(tmp_path):
    write_tokenizer(tmp_path / "tokenizer")
    documents = {"python": ("code", ["ab" * 30, "c"]), "java": ("code", ["d" * 200]), "books": ("text", ["é" * 4, ""])}
    for source, (group, texts) in documents.items():
        write_jsonl(tmp_path / "heldout" / f"{source}-00000.jsonl", [{"group": group, "text": text} for text in texts])
    return tmp_path


def model(zero):
    config = small_config(vocab_size=35, tie_word_embeddings=True)
    weights = random_tensors(config)
    if zero:
        weights["model.embed_tokens.weight"] *= 0
    return nnx.split(build(config, weights.__getitem__))


def test_a_uniform_model_has_the_entropy_of_its_vocabulary(folder):
    heldout = Heldout(folder / "heldout", folder / "tokenizer", bos=1, length=16, bytes_per_group=100)
    results = heldout.measure(*model(zero=True))
    assert results["code"]["loss"] == pytest.approx(math.log(35))
    assert results["code"]["bits_per_byte"] == pytest.approx(math.log2(35))  # one token per byte
    assert results["text"]["bits_per_byte"] == pytest.approx(math.log2(35) / 2)  # one token for the two bytes of é
    assert heldout.parts["code"].bytes == 100  # 50 from each of two sources
    assert int(heldout.parts["code"].counted.sum()) == 100
    assert heldout.parts["text"].bytes == 8


def test_every_token_is_a_target_once_and_windows_overlap_by_one_token(folder):
    heldout = Heldout(folder / "heldout", folder / "tokenizer", bos=1, length=16, bytes_per_group=130)
    part = heldout.parts["code"]
    assert part.tokens[0, 0] == 1
    ids = {"a": 3, "b": 4, "d": 6}
    targets = part.targets[part.counted].tolist()
    assert targets == [ids["d"]] * 65 + [ids["a"], ids["b"]] * 30 + [5]
    same_document = part.tokens[:, 0] != 1
    assert np.array_equal(part.tokens[same_document, 0], part.targets[:-1, -1][same_document[1:]])


def test_losses_follow_from_the_models_logits(folder):
    graph, params = model(zero=False)
    heldout = Heldout(folder / "heldout", folder / "tokenizer", bos=1, length=300, bytes_per_group=8)
    logits = np.asarray(nnx.merge(graph, params)(np.array([[1, 0, 0, 0]])))[0].astype(np.float64)
    expected = np.mean(np.log(np.exp(logits).sum(-1)) - logits[:, 0])
    assert heldout.measure(graph, params)["text"]["loss"] == pytest.approx(expected, rel=1e-5)


def test_a_group_without_documents_is_left_out(folder):
    write_jsonl(folder / "heldout" / "books-00000.jsonl", [])
    heldout = Heldout(folder / "heldout", folder / "tokenizer", bos=1, length=16, bytes_per_group=100)
    assert set(heldout.measure(*model(zero=True))) == {"code"}


def test_a_control_token_in_a_document_is_ordinary_text(tmp_path):
    write_tokenizer(tmp_path / "tokenizer", chat=True)
    write_jsonl(tmp_path / "heldout" / "web-00000.jsonl", [{"group": "text", "text": "a<|im_end|>b"}])
    heldout = Heldout(tmp_path / "heldout", tmp_path / "tokenizer", bos=1, length=16, bytes_per_group=100)
    assert int(heldout.parts["text"].counted.sum()) == 12  # one token per character
