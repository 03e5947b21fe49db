"""What does not fit together in params.yaml is found before anything runs, with line, value and what is allowed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from lemur.core.files import DAG, PARAMS, read_yaml
from lemur.pipeline.build import validation

ABSENT = object()


def refused(changes: Mapping[str, Any], folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The lines about params.yaml with these values, by dotted key; `ABSENT` removes a key."""
    tree = read_yaml(PARAMS)
    for key, value in changes.items():
        *blocks, last = key.split(".")
        block = tree
        for name in blocks:
            block = block.setdefault(name, {})
        if value is ABSENT:
            del block[last]
        else:
            block[last] = value
    path = folder / "params.yaml"
    path.write_text(yaml.safe_dump(tree, sort_keys=False), encoding="utf-8")
    monkeypatch.setattr(validation, "PARAMS", path)
    with pytest.raises(SystemExit) as error:
        validation.validate_all(read_yaml(DAG))
    lines = path.read_text(encoding="utf-8").splitlines()
    problems = str(error.value).splitlines()
    for problem in problems:
        where, key, _ = problem.split(": ", 2)
        file, line = where.split(":")
        # The line of the key, or of the nearest block around it.
        assert file == "params.yaml" and lines[int(line) - 1].split(":")[0].strip() in key.split(".")
    return [problem.split(": ", 1)[1] for problem in problems]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"base_model.model.num_attention_heads": 3}, "base_model.model: hidden_size (128) is not a multiple of 2 *"),
        ({"base_model.model.num_key_value_heads": 3}, "base_model.model: num_attention_heads (4) is not a multiple of"),
        (
            {"continued_pretraining.mesh.tensor": 4},
            "continued_pretraining: mesh: tensor is 4, which does not divide num_key_value_heads (2); [1, 2] do",
        ),
        (
            {"instruction_tuning.mesh.data": 2, "instruction_tuning.microbatches": 4},
            "instruction_tuning: mesh: data * fsdp is 2, which does not divide rows of a microbatch",
        ),
        ({"pack_corpus.sequence_length": 2048}, "pack_corpus.sequence_length: found 2048; base_model.model.max_pos"),
        ({"clean_corpus.max_bytes.books": ABSENT}, "clean_corpus.max_bytes: there is no entry for books; every source"),
        ({"mix_corpus.lemur.weights.sql": ABSENT}, "mix_corpus.lemur.weights: there is no entry for sql; every source"),
        ({"mix_corpus.base.weights.sql": -1.0}, "mix_corpus.base.weights.sql: found -1.0; Input should be greater"),
        ({"clean_corpus.max_bytes.bookz": 1}, "clean_corpus.max_bytes.bookz: found 'bookz', did you mean books?; "),
        ({"base_model.stepz": 1}, "base_model.stepz: unknown key, did you mean steps?; allowed here: batch_size, "),
        ({"base_model.optimizer.b": 0.9}, "base_model.optimizer.b: unknown key, did you mean b2?; allowed here: peak"),
        ({"gsm9k.shots": 1}, "gsm9k: no stage reads this key, did you mean gsm8k?; allowed: acting, "),
        ({"mix_instructions.sources.oasst2": 1}, "mix_instructions.sources: found 'oasst2', did you mean oasst1?; "),
    ],
)
def test_one_problem(changes: dict[str, Any], problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    [line] = refused(changes, tmp_path, monkeypatch)
    assert line.startswith(problem)


def test_a_misspelt_benchmark_would_not_be_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = refused({"decontamination.benchmarks.humanevl": "report"}, tmp_path, monkeypatch)
    starts = {line.partition(" allowed: ")[0] for line in lines}
    assert starts == {
        f"{stage}.benchmarks: found 'humanevl', did you mean humaneval?;"
        for stage in ("decontaminate_corpus", "mix_instructions")
    }


def test_an_imported_model_has_its_own_shape(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changes = {"base_model.init": "safetensors", "base_model.model.hidden_size": 96, "pack_corpus.sequence_length": 999}
    lines = refused({**changes, "continued_pretraining.mesh.tensor": 3, "nothing": 1}, tmp_path, monkeypatch)
    assert [line.partition(":")[0] for line in lines] == ["nothing"]
