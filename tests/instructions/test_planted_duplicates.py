"""Planted near-duplicates through `semantic_dedup`, with WordLlama's real vectors."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import wordllama
from hypothesis import given, settings
from hypothesis import strategies as st

from lemur.core.records import read_jsonl
from lemur.instructions.dedup.embedding_models import WordLlama
from lemur.instructions.dedup.near_duplicates import similarity
from lemur.instructions.embed_instructions import fold
from lemur.instructions.semantic_dedup import Params, semantic_dedup
from lemur.sources.fetched import load
from tests.instructions.builders import chat, embedded_folder, fetched
from tests.instructions.planted import DIFFERENT, duplicates, just_below

THRESHOLD = 0.95


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> WordLlama:
    package = Path(wordllama.__file__).parent
    files: dict[str, Any] = {
        "w.safetensors": ("wordllama", (package / "weights/l2_supercat_256.safetensors").read_bytes(), {}),
        "t.json": ("wordllama", (package / "tokenizers/l2_supercat_tokenizer_config.json").read_bytes(), {}),
    }
    return WordLlama(load(fetched(tmp_path_factory.mktemp("model"), "embedding_model", files)))


def embed(model: WordLlama, texts: Sequence[str]) -> np.ndarray:
    return model.encode([fold(text) for text in texts])


def dropped(folder: Path, texts: Sequence[str], vectors: np.ndarray, block: int = 64) -> list[str]:
    """The instructions that `semantic_dedup` drops."""
    embedded_folder(folder, [chat(text, "An answer.") for text in texts], vectors)
    params = {"sources": ["sharegpt"], "threshold": THRESHOLD, "near_margin": 0.002, "block": block}
    out = {name: folder / f"{name}.out" for name in ("kept", "rejects", "report")}
    semantic_dedup(Params.model_validate(params), folder / "in", folder / "vectors", **out)
    rejects = list(read_jsonl(out["rejects"]))
    assert len(texts) == len(list(read_jsonl(out["kept"]))) + len(rejects)
    return [reject["record"]["messages"][0]["content"] for reject in rejects]


def test_pairs_dropped_by_kind(tmp_path: Path, model: WordLlama) -> None:
    """By kind, the pairs of which one side is dropped."""

    def cosine(left: str, right: str) -> float:
        vectors = embed(model, (left, right))
        return float(similarity(vectors[:1], vectors[1:])[0])

    dropped_pairs: dict[str, tuple[int, int]] = {}  # by kind: dropped, all
    pairs = {**duplicates(), "just below": just_below(cosine, THRESHOLD, 0.005), "different": DIFFERENT}
    for kind, of_kind in pairs.items():
        counts = [len(dropped(tmp_path, pair, embed(model, pair))) for pair in of_kind]
        assert counts == [cosine(*pair) > THRESHOLD for pair in of_kind]
        dropped_pairs[kind] = sum(counts), len(of_kind)
    below = [cosine(*pair) for pair in pairs["just below"]]
    assert all(THRESHOLD - 0.005 < value <= THRESHOLD for value in below)
    assert dropped_pairs == {
        "case": (12, 12),
        "white space": (12, 12),
        "politeness": (4, 8),
        "one variable renamed": (2, 5),
        "all variables renamed": (0, 5),
        "paraphrase": (0, 6),
        "just below": (0, 12),
        "different": (1, 6),
    }


@settings(max_examples=15, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(16, 200))
def test_order_and_block_size_change_no_byte(
    tmp_path_factory: pytest.TempPathFactory, model: WordLlama, random: Any, block: int
) -> None:
    texts = [text for pairs in duplicates().values() for pair in pairs for text in pair]
    vectors = embed(model, texts)
    order = list(range(len(texts)))
    random.shuffle(order)
    outputs = []
    for rows, size in ((list(range(len(texts))), 64), (order, block)):
        folder = tmp_path_factory.mktemp("order")
        assert dropped(folder, [texts[row] for row in rows], vectors[rows], size)
        outputs.append([path.read_bytes() for path in sorted(folder.glob("*.out"))])
    assert outputs[0] == outputs[1]
