import math
from pathlib import Path

import pytest

from lemur.core.records import Record, read_json, read_jsonl
from lemur.evaluation import bits_per_byte as stage
from lemur.evaluation.harness.run import evaluate
from tests.evaluation.conftest import Oracle

PARAMS = {"limit": None, "longest": None, "seed": 0, "overlap": 1, "context": None, "tile": 4}


class Letters:
    """One token per character."""

    def encode_document(self, text: str) -> list[int]:
        return [ord(letter) for letter in text]


def document(source: str, group: str, text: str) -> stage.Document:
    return stage.Document(f"{source}-{text[:3]}", source, group, text)


DOCUMENTS = [
    document("python", "code", "aabb"),
    document("python", "code", "ab"),
    document("sql", "code", "cccc"),
    document("wikipedia", "text", "äb"),
]


def run(tmp_path: Path, **changed: object) -> tuple[Record, list[Record]]:
    result, samples = tmp_path / "result.json", tmp_path / "samples.jsonl"
    params = stage.Params(**{**PARAMS, **changed})  # type: ignore[arg-type]
    empty = [stage.Document(f"empty-{number}", "python", "code", "") for number in range(5)]
    evaluate(stage.BitsPerByte(params, [[*DOCUMENTS, *empty]], Letters()), Oracle(str), result, samples)
    return read_json(result), list(read_jsonl(samples))


def test_bits_are_summed_over_bytes(tmp_path: Path) -> None:
    result, samples = run(tmp_path)
    scores = result["results"]["bits_per_byte"]
    # The model gives one nat per character; `ä` has two bytes.
    assert [scores[name] for name in ("code", "python", "sql")] == pytest.approx([1 / math.log(2)] * 3)
    assert scores["text"] == pytest.approx(2 / 3 / math.log(2))
    assert [sample["bytes"] for sample in samples] == [4, 2, 4, 3]
    assert sum(sample["bits"] for sample in samples[:3]) / 10 == pytest.approx(scores["code"])
    assert result["n-samples"]["bits_per_byte"] == {"original": 9, "effective": 4}


def test_a_unigram_model_is_fitted_to_each_group(tmp_path: Path) -> None:
    unigram = run(tmp_path)[0]["results"]["bits_per_byte"]["unigram"]
    assert unigram["python"] == pytest.approx(1.0)  # a and b, three of each
    assert unigram["sql"] == 0.0
    share = [3 / 10, 3 / 10, 4 / 10]
    assert unigram["code"] == pytest.approx(-sum(p * math.log2(p) for p in share))


def test_long_documents_can_be_cut(tmp_path: Path) -> None:
    assert [sample["tokens"] for sample in run(tmp_path, longest=2)[1]] == [2, 2, 2, 2]
