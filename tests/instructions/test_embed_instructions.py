"""Stage `embed_instructions` with a tiny WordLlama."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save

from lemur.core.files import DAG, read_yaml
from lemur.core.records import read_json
from lemur.instructions.conversations import all_shards
from lemur.instructions.dedup.unit_vectors import unit
from lemur.instructions.embed_instructions import Params, embed_instructions
from tests.instructions.builders import chat, conversation_folder, fetched, tokenizer_folder

ROOT = Path(__file__).parents[2]
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


def run(tmp_path: Path, wordllama: Path, records: list[Any], *, shards: int = 1, **changes: Any) -> np.ndarray:
    """The vectors of all shards, in order."""
    for folder in ("in", "vectors"):
        shutil.rmtree(tmp_path / folder, ignore_errors=True)
    conversation_folder(tmp_path / "in", records, shards)
    params = Params.model_validate({**BASE, **changes})
    embed_instructions(
        params, tmp_path / "in", wordllama, vectors=tmp_path / "vectors", report=tmp_path / "report.json"
    )
    names = [path.stem for _, path in all_shards(tmp_path / "in")]
    assert sorted(path.name for path in (tmp_path / "vectors").iterdir()) == sorted(f"{name}.npy" for name in names)
    return np.concatenate([np.load(tmp_path / "vectors" / f"{name}.npy") for name in names])


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
    assert [bool(row.any()) for row in vectors] == [source == "sharegpt" for source in sorted(sources)]
    assert (vectors[3] == vectors[4]).all()
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


def test_neither_workers_nor_shards_change_a_bit(
    tmp_path: Path, wordllama: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = [chat(f"the cat {'sat ' * (i % 9)}", "x", source=("sharegpt", "oasst1")[i % 2]) for i in range(50)]
    whole = run(tmp_path, wordllama, records)
    for workers, shards in (("2", 1), ("2", 7), ("1", 30)):
        monkeypatch.setenv("LEMUR_WORKERS", workers)
        assert run(tmp_path, wordllama, records, shards=shards).tobytes() == whole.tobytes()
        report = read_json(tmp_path / "report.json")
        assert (report["conversations"], report["embedded"], report["zero_vectors"]) == (50, 25, 0)


def test_a_worker_uses_one_thread(tmp_path: Path, wordllama: Path) -> None:
    """`tokenizers` would start a thread for each core in each worker."""
    script = (
        "import os, sys; from pathlib import Path\n"
        "from lemur.instructions.embed_instructions import Params, _start\n"
        "_, model = _start(Params.model_validate_json(sys.argv[1]), Path(sys.argv[2]))\n"
        "threads = len(os.listdir('/proc/self/task'))\n"
        "model.encode(['the cat sat'] * 100)\n"
        "print(len(os.listdir('/proc/self/task')) - threads)"
    )
    command = [sys.executable, "-c", script, json.dumps(BASE), str(wordllama)]
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT / "src"),
        "RAYON_NUM_THREADS": "3",
        "TOKENIZERS_PARALLELISM": "true",
    }
    answer = subprocess.run(command, check=True, capture_output=True, encoding="utf-8", env=environment)
    assert int(answer.stdout) == 0


def test_a_broken_line_is_named_and_leaves_no_half_file(tmp_path: Path, wordllama: Path) -> None:
    conversation_folder(tmp_path / "in", [chat(f"the cat {i}", "x") for i in range(9)], shards=3)
    with (tmp_path / "in/sharegpt-00001.jsonl").open("a", encoding="utf-8") as file:
        file.write("{\n")
    out = {"vectors": tmp_path / "vectors", "report": tmp_path / "report.json"}
    with pytest.raises(ValueError, match=r"sharegpt-00001\.jsonl:4: not JSON"):
        embed_instructions(Params.model_validate(BASE), tmp_path / "in", wordllama, **out)
    assert [path.name for path in (tmp_path / "vectors").iterdir()] == ["sharegpt-00000.npy"]
    assert not list(tmp_path.glob(".*"))


def test_a_changed_threshold_does_not_rerun_the_embedding() -> None:
    stages = read_yaml(DAG)["stages"]
    embed, dedup = stages["embed_instructions"], stages["semantic_dedup"]
    assert "data/instructions/vectors/" in embed["outs"] and "data/instructions/vectors/" in dedup["deps"]
    assert [key for key in embed["params"] if isinstance(key, str)] == ["embed_instructions"]
    assert "threshold" not in Params.model_fields
    assert "src/lemur/instructions/semantic_dedup.py" not in embed["deps"]


def test_empty_input_and_empty_text(tmp_path: Path, wordllama: Path) -> None:
    assert run(tmp_path, wordllama, [chat("the cat", "x")], shards=3).shape == (1, 16)  # two of the shards are empty
    vectors = run(tmp_path, wordllama, [chat("", "x")])
    assert not vectors.any()


def test_a_left_out_source_is_an_error(tmp_path: Path) -> None:
    none = fetched(tmp_path / "none", "embedding_model", {})
    for kind in ("wordllama", "sentence_transformers"):
        with pytest.raises(ValueError, match=r"place 'none' of source embedding_model has no such model"):
            run(tmp_path, none, [chat("the cat", "x")], kind=kind)


def test_a_model_of_the_wrong_kind_is_an_error(tmp_path: Path, wordllama: Path) -> None:
    with pytest.raises(ValueError, match=r"set fetch\.embedding_model\.place"):
        run(tmp_path, wordllama, [chat("the cat", "x")], kind="sentence_transformers")


def test_unit_is_exact_in_any_batch() -> None:
    vectors = np.random.default_rng(1).normal(size=(100, 33)).astype(np.float32)
    whole = unit(vectors)
    assert np.concatenate([unit(vectors[i : i + 7]) for i in range(0, 100, 7)]).tobytes() == whole.tobytes()


def test_without_torch_the_message_says_what_to_do(tmp_path: Path, wordllama: Path) -> None:
    try:
        import sentence_transformers  # noqa: F401
    except ImportError:
        with pytest.raises(RuntimeError, match="`embed` extra"):
            run(tmp_path, wordllama, [chat("the cat", "x")], kind="minilm")
