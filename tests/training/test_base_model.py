"""Stage base_model: from scratch, imported, resumed."""

import csv
import json
import shutil

import numpy as np
import pytest

from lemur.core.records import read_json, write_json
from lemur.model import folder
from lemur.training.base_model import Params, base_model
from tests.model.reference import random_tensors, small_config
from tests.training.builders import parameters, write_tokenizer
from tests.training.test_gguf_import import write as write_gguf


def run(inputs, out, base_weights=None, **changes):
    out.mkdir(parents=True)
    base_model(
        Params.model_validate(parameters("base_model", **changes)),
        inputs / "tokenizer",
        inputs / "packed",
        inputs / "heldout",
        base_weights or inputs / "none",
        model=out / "model",
        curve=out / "curve.csv",
        report=out / "report.json",
    )
    return {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}


def rows(out):
    with (out / "curve.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_model_from_scratch_learns_and_a_second_run_gives_the_same_bytes(inputs, tmp_path, checkpoints):
    changes = {"steps": 60, "eval_every": 20, "optimizer": {"peak_learning_rate": 0.03}}
    first = run(inputs, tmp_path / "a", **changes)
    assert first == run(inputs, tmp_path / "b", **changes)
    curve, report = rows(tmp_path / "a"), read_json(tmp_path / "a" / "report.json")
    assert [int(row["step"]) for row in curve] == list(range(61))
    assert [row["step"] for row in curve if row["heldout_code_loss"]] == ["0", "20", "40", "60"]
    assert (curve[0]["loss"], curve[0]["tokens"]) == ("", "0")
    assert float(curve[1]["loss"]) == pytest.approx(np.log(35), rel=0.05)
    assert float(curve[-1]["loss"]) < 2.0
    assert float(curve[-1]["heldout_text_loss"]) < float(curve[0]["heldout_text_loss"]) - 1
    assert int(curve[-1]["tokens"]) == report["tokens"] == 60 * 4 * 28
    assert report["loss"]["last"] == pytest.approx(float(curve[-1]["loss"]), rel=1e-7)
    config, model = folder.load(tmp_path / "a" / "model")
    assert (config.vocab_size, config.bos_token_id, config.eos_token_id) == (35, 1, 2)
    assert report["parameters"] == sum(np.asarray(t).size for _, t in folder.tensors(model, "float32"))
    assert not checkpoints.exists()


def test_another_seed_gives_another_model(inputs, tmp_path):
    first, second = (run(inputs, tmp_path / str(seed), steps=1, seed=seed) for seed in (1, 2))
    assert first["model/model.safetensors"] != second["model/model.safetensors"]


def test_a_loss_that_is_not_finite_stops_with_the_step(inputs, tmp_path):
    with pytest.raises(FloatingPointError, match=r"step \d+: \{'\w+': (nan|inf).*Lower optimizer\.peak_learning_rate"):
        run(inputs, tmp_path / "a", steps=60, optimizer={"peak_learning_rate": 1e30, "warmup_steps": 0})
    assert not (tmp_path / "a" / "model").exists()


def test_shards_that_do_not_fit_the_model_are_refused(inputs, tmp_path):
    with pytest.raises(ValueError, match=r"manifest\.json: sequences of 32 tokens, .* end at 16"):
        run(inputs, tmp_path / "a", model={"max_position_embeddings": 16})


def source(tmp_path, schema, files):
    base = tmp_path / "base_weights"
    rest = {"schema": schema, "licence": "-", "meta": {}, "sha256": "-", "bytes": 1}
    entries = [{"path": name, **rest} for name in sorted(files)]
    head = {"name": "base_weights", "title": "-", "place": "package", "revision": "-", "licence": "-"}
    write_json(base / "source.json", {**head, "files": entries})
    return base


def test_a_gguf_file_is_imported_without_training(inputs, tmp_path):
    config = small_config(vocab_size=40, tie_word_embeddings=True)
    base = source(tmp_path, "gguf", [])
    (base / "files").mkdir()
    write_gguf(base / "files" / "m.gguf", config, random_tensors(config))
    base = source(tmp_path, "gguf", ["m.gguf"])
    run(inputs, tmp_path / "a", base, init="gguf", steps=0)
    assert folder.load(tmp_path / "a" / "model")[0] == config
    assert [row["step"] for row in rows(tmp_path / "a")] == ["0"]
    assert read_json(tmp_path / "a" / "report.json")["loss"] is None


def test_a_safetensors_folder_is_imported_and_written_as_the_same_bytes(inputs, tmp_path):
    first = run(inputs, tmp_path / "a", steps=1)
    shutil.copytree(tmp_path / "a" / "model", tmp_path / "base_weights" / "files")
    names = [path.name for path in (tmp_path / "a" / "model").iterdir()]
    second = run(inputs, tmp_path / "b", source(tmp_path, "safetensors_folder", names), init="safetensors", steps=0)
    models = [{k: v for k, v in files.items() if k.startswith("model/")} for files in (first, second)]
    assert models[0] == models[1]


def test_errors_name_what_cannot_be_imported(inputs, tmp_path):
    with pytest.raises(ValueError, match=r"no file of schema gguf \(place package\).*fetch\.base_weights"):
        run(inputs, tmp_path / "a", source(tmp_path, "safetensors_folder", []), init="gguf")
    config = small_config(vocab_size=30)
    base = tmp_path / "base_weights" / "files"
    from lemur.model.weights import build

    folder.save(base, build(config, random_tensors(config).__getitem__), inputs / "tokenizer", dtype="float32")
    names = [path.name for path in base.iterdir()]
    with pytest.raises(ValueError, match="tokenizer has 35 tokens, the imported model only 30"):
        run(inputs, tmp_path / "b", source(tmp_path, "safetensors_folder", names), init="safetensors")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch_size": 5}, r"batch_size \(5\) is not a multiple of microbatches \(2\)"),
        ({"optimizer": {"clip_norm": 0.0}}, "clip_norm"),
        ({"init": "torch"}, "init"),
    ],
)
def test_impossible_parameters_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        Params.model_validate(parameters("base_model", **changes))


def test_the_model_folder_has_the_given_tokenizer(inputs, tmp_path):
    files = run(inputs, tmp_path / "a", steps=0)
    write_tokenizer(tmp_path / "t")
    assert files["model/tokenizer.json"] == (tmp_path / "t" / "tokenizer.json").read_bytes()
    assert json.loads(files["model/generation_config.json"]) == {
        "bos_token_id": 1,
        "do_sample": False,
        "eos_token_id": 2,
    }
