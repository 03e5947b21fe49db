"""Stage `embed_instructions` with a tiny WordLlama."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save

from lemur.core.files import DAG, read_yaml
from lemur.core.records import read_json, write_jsonl
from lemur.instructions.dedup.unit_vectors import unit
from lemur.instructions.embed_instructions import Params, embed_instructions
from tests.instructions.builders import chat, fetched, tokenizer_folder

BASE: dict[str, Any] = {
    "kind": "wordllama",
    "sources": ["sharegpt"],
    "prompt": "",
    "batch_size": 8,
    "dtype": "float32",
    "device": "cpu",
    "text": "all",
    "fold": True,
}


@pytest.fixture
def wordllama(tmp_path: Path) -> Path:
    vectors = np.random.default_rng(0).normal(size=(400, 16)).astype(np.float16)
    tokenizer = (tokenizer_folder(tmp_path / "tokenizer") / "tokenizer.json").read_bytes()
    files = {
        "w.safetensors": ("wordllama", save({"embedding.weight": vectors}), {}),
        "t.json": ("wordllama", tokenizer, {}),
    }
    return fetched(tmp_path / "model", "embedding_model", files)


def run(tmp_path: Path, wordllama: Path, records: list[Any], **changes: Any) -> np.ndarray:
    write_jsonl(tmp_path / "in.jsonl", records)
    params = Params.model_validate({**BASE, **changes})
    embed_instructions(
        params, tmp_path / "in.jsonl", wordllama, vectors=tmp_path / "vectors.npy", report=tmp_path / "report.json"
    )
    loaded: np.ndarray = np.load(tmp_path / "vectors.npy")
    return loaded


def test_rows_follow_lines(tmp_path: Path, wordllama: Path) -> None:
    records = [chat("the cat sat", "x"), chat("on the mat", "y", "the user", "z"), chat("the cat sat", "other answer")]
    vectors = run(tmp_path, wordllama, records)
    assert (vectors.shape, vectors.dtype) == ((3, 16), np.dtype("<f4"))
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    assert (vectors[0] == vectors[2]).all()
    first = run(tmp_path, wordllama, records, text="first")
    assert (first[0] == vectors[0]).all()
    assert (first[1] != vectors[1]).any()
    assert read_json(tmp_path / "report.json")["conversations"] == 3


def test_other_sources_are_not_embedded(tmp_path: Path, wordllama: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lemur.instructions.embed_instructions.BATCH", 2)
    sources = ["openorca", "sharegpt", "openorca", "openorca", "sharegpt"]
    records = [chat("the cat sat", "x", source=source) for source in sources]
    vectors = run(tmp_path, wordllama, records)
    assert [bool(row.any()) for row in vectors] == [source == "sharegpt" for source in sources]
    assert (vectors[1] == vectors[4]).all()
    report = read_json(tmp_path / "report.json")
    assert (report["conversations"], report["embedded"], report["zero_vectors"]) == (5, 2, 0)


def test_case_and_white_space_are_folded(tmp_path: Path, wordllama: Path) -> None:
    records = [chat("The  CAT\nsat", "x"), chat("the cat sat", "x")]
    folded = run(tmp_path, wordllama, records)
    assert (folded[0] == folded[1]).all()
    plain = run(tmp_path, wordllama, records, fold=False)
    assert (plain[0] != plain[1]).any()


def test_batches_change_no_bit(tmp_path: Path, wordllama: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    records = [chat(f"the cat {'sat ' * (i % 9)}", "x") for i in range(50)]
    whole = run(tmp_path, wordllama, records)
    monkeypatch.setattr("lemur.instructions.embed_instructions.BATCH", 7)
    assert run(tmp_path, wordllama, records).tobytes() == whole.tobytes()


def test_a_changed_threshold_does_not_rerun_the_embedding() -> None:
    stages = read_yaml(DAG)["stages"]
    embed, dedup = stages["embed_instructions"], stages["semantic_dedup"]
    assert "data/instructions/vectors.npy" in embed["outs"] and "data/instructions/vectors.npy" in dedup["deps"]
    assert [key for key in embed["params"] if isinstance(key, str)] == ["embed_instructions"]
    assert "threshold" not in Params.model_fields
    assert "src/lemur/instructions/semantic_dedup.py" not in embed["deps"]


def test_empty_input_and_empty_text(tmp_path: Path, wordllama: Path) -> None:
    assert run(tmp_path, wordllama, []).shape == (0, 16)
    vectors = run(tmp_path, wordllama, [chat("", "x")])
    assert not vectors.any()


def test_a_left_out_source_is_an_error(tmp_path: Path) -> None:
    none = fetched(tmp_path / "none", "embedding_model", {})
    for kind in ("wordllama", "sentence_transformers"):
        with pytest.raises(ValueError, match=r"place 'none' of source embedding_model has no such model"):
            run(tmp_path, none, [], kind=kind)


def test_a_model_of_the_wrong_kind_is_an_error(tmp_path: Path, wordllama: Path) -> None:
    with pytest.raises(ValueError, match=r"set fetch\.embedding_model\.place"):
        run(tmp_path, wordllama, [], kind="sentence_transformers")


def test_unit_is_exact_in_any_batch() -> None:
    vectors = np.random.default_rng(1).normal(size=(100, 33)).astype(np.float32)
    whole = unit(vectors)
    assert np.concatenate([unit(vectors[i : i + 7]) for i in range(0, 100, 7)]).tobytes() == whole.tobytes()


def test_without_torch_the_message_says_what_to_do(tmp_path: Path, wordllama: Path) -> None:
    try:
        import sentence_transformers  # noqa: F401
    except ImportError:
        with pytest.raises(RuntimeError, match="`embed` extra"):
            run(tmp_path, wordllama, [], kind="minilm")
