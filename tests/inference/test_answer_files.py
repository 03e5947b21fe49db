"""Answers are reused where all that decides them is the same, and nowhere else."""

import shutil
from pathlib import Path

import pytest

from lemur.core.append_only import append
from lemur.core.records import read_json, write_json
from lemur.inference.answers import files as answer_files
from lemur.inference.answers.cache import CachedModel
from lemur.inference.answers.files import ASKING, COMPUTING
from lemur.inference.answers.on_demand import OnDemand
from lemur.inference.backends import Backend, open_model
from tests.evaluation.test_stages import model  # noqa: F401
from tests.inference.conftest import tokenizer_folder  # noqa: F401

SETTINGS = {"task": "gsm8k", "tile": 4, "bos": True, "context": None}


def path(folder: Path, backend: Backend = "jax", **changed: object) -> Path:
    opened = open_model(folder, backend, **{**SETTINGS, **changed})  # type: ignore[arg-type]
    assert isinstance(opened, CachedModel)
    return opened.path


@pytest.fixture
def folder(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:  # noqa: F811
    monkeypatch.setenv("LEMUR_ANSWERS", str(tmp_path / "answers"))
    return Path(shutil.copytree(model, tmp_path / "copy"))


def test_the_file_depends_on_the_model_and_the_settings(folder: Path, model: Path, tmp_path: Path) -> None:  # noqa: F811
    first = path(folder)
    assert first.name == "gsm8k.jsonl" and first.parents[1] == tmp_path / "answers"
    assert path(model) == first, "the folder's place decides nothing"
    assert path(folder, context=512) == path(folder, context=4096) == first, "the model's own context"
    assert path(folder, task="mmlu") == first.with_name("mmlu.jsonl")
    changes = [{"tile": 8}, {"bos": False}, {"context": 100}, {"backend": "transformers"}]
    others = {path(folder, **change) for change in changes}  # type: ignore[arg-type]
    assert len(others | {first}) == 5
    assert path(folder, "transformers", tile=8) == path(folder, "transformers")
    end = read_json(folder / "generation_config.json")
    write_json(folder / "generation_config.json", {**end, "eos_token_id": 7})
    assert path(folder) != first, "another token ends an answer"


def test_other_weights_have_other_answers(folder: Path) -> None:
    first = path(folder)
    weights = folder / "model.safetensors"
    data = weights.read_bytes()
    weights.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    assert path(folder) != first


def test_other_numerics_have_other_answers(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = {path(folder)}
    for variable, value in (("XLA_FLAGS", "--xla_other"), ("NPROC", "7"), ("JAX_PLATFORMS", "cuda")):
        monkeypatch.setenv(variable, value)
        names.add(path(folder))
    monkeypatch.setattr(answer_files.processor, "name", lambda: "another accelerator's host")
    names.add(path(folder))
    monkeypatch.setattr(answer_files, "installed", lambda name: "0")
    names.add(path(folder))
    assert len(names) == 6


@pytest.mark.parametrize(
    ("module", "backend", "asks_again"),
    [
        ("inference/jax_model.py", "jax", True),
        ("inference/token_model.py", "jax", True),
        ("inference/a_new_module.py", "jax", True),
        ("model/llama.py", "jax", True),
        ("tokens/tokenizers/tokenizer_folder.py", "transformers", True),
        ("inference/answers/cache.py", "jax", False),
        ("inference/server_model.py", "jax", False),
        ("inference/jax_model.py", "transformers", False),
        ("model/llama.py", "transformers", False),
        ("evaluation/gsm8k.py", "jax", False),
    ],
)
def test_only_code_that_computes_answers_asks_again(
    module: str, backend: Backend, asks_again: bool, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "lemur"
    for name in ("inference", "model", "core", "tokens", "evaluation"):
        shutil.copytree(answer_files.PACKAGE / name, package / name)
    monkeypatch.setattr(answer_files, "PACKAGE", package)
    first = path(folder, backend)
    with (package / module).open("a", encoding="utf-8") as file:
        file.write("# edited\n")
    assert (path(folder, backend) != first) is asks_again


def test_the_lists_of_modules_name_modules() -> None:
    modules = {path.stem for path in (answer_files.PACKAGE / "inference").glob("*.py")}
    assert ASKING | set().union(*COMPUTING.values()) <= modules


def test_weights_are_loaded_only_for_a_missing_answer(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = {"max_new_tokens": 3, "stop": ()}
    whole = open_model(folder, "jax", **SETTINGS).generate(["def", "return"], **asked)  # type: ignore[arg-type]

    def load(self: OnDemand) -> None:
        raise AssertionError("the weights were loaded")

    monkeypatch.setattr(OnDemand, "_model", property(load))
    again = open_model(folder, "jax", **SETTINGS)  # type: ignore[arg-type]
    assert again.generate(["return", "def"], **asked) == whole[::-1]  # type: ignore[arg-type]
    assert again.count_tokens("def") > 0 and again.context_length == 512 and again.identity()["backend"] == "jax"
    with pytest.raises(AssertionError, match="loaded"):
        again.generate(["class"], **asked)  # type: ignore[arg-type]


def test_pruning_keeps_what_is_in_use(folder: Path, tmp_path: Path) -> None:
    used, old = path(folder), path(folder, tile=8)
    for file in (used, used.with_name("mmlu.jsonl"), old):
        append(file, [{"key": "a", "answer": {}}])
    (tmp_path / "answers" / "0123.jsonl").write_text("of an older version", encoding="utf-8")
    assert answer_files.prune([used]) > 19
    assert sorted(tmp_path.joinpath("answers").rglob("*.jsonl")) == [used, used.with_name("mmlu.jsonl")]
    assert not old.parent.exists() and answer_files.prune([used]) == 0
