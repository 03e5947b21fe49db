"""Stage instruction_tuning, starting from a model of stage base_model."""

import csv
import json

import numpy as np
import pytest
from safetensors.numpy import load_file

from lemur.core.records import read_json
from lemur.model import checksums, folder
from lemur.training.instruction_tuning import Params, instruction_tuning
from tests.training.builders import parameters
from tests.training.test_base_model import run as run_base


def run(inputs, lemur, out, **changes):
    out.mkdir(parents=True)
    instruction_tuning(
        Params.model_validate(parameters("instruction_tuning", **changes)),
        lemur,
        inputs / "encoded",
        inputs / "heldout",
        model=out / "model",
        curve=out / "curve.csv",
        report=out / "report.json",
    )
    with (out / "curve.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def lemur(inputs, tmp_path_factory):
    out = tmp_path_factory.mktemp("lemur")
    run_base(inputs, out / "lemur", steps=3)
    return out / "lemur" / "model"


def test_two_epochs_with_the_chat_vocabulary(inputs, lemur, tmp_path):
    curve = run(inputs, lemur, tmp_path / "a", epochs=2.0, optimizer={"peak_learning_rate": 0.02})
    assert len(curve) - 1 == 5  # 10 sequences, 4 per step, twice
    assert float(curve[-1]["loss"]) < float(curve[1]["loss"])
    assert [int(row["step"]) for row in curve if row["heldout_code_loss"]] == [0, 3, 5]
    assert [bool(row["heldout_text_loss"]) for row in curve] == [bool(row["heldout_code_loss"]) for row in curve]
    config, _ = folder.load(tmp_path / "a" / "model")
    assert (config.vocab_size, config.pad_token_id, config.eos_token_id, config.bos_token_id) == (40, 35, 37, 1)
    generation = json.loads((tmp_path / "a" / "model" / "generation_config.json").read_text(encoding="utf-8"))
    assert generation == {"bos_token_id": 1, "do_sample": False, "eos_token_id": 37, "pad_token_id": 35}
    template = json.loads((tmp_path / "a" / "model" / "tokenizer_config.json").read_text(encoding="utf-8"))[
        "chat_template"
    ]
    assert template == "..."
    report = read_json(tmp_path / "a" / "report.json")
    assert (report["added_tokens"], report["epochs"], report["steps"]) == (5, 2.0, 5)


def test_zero_epochs_only_add_rows_for_the_new_tokens(inputs, lemur, tmp_path):
    run(inputs, lemur, tmp_path / "a", epochs=0.0)
    before, after = (load_file(path / "model.safetensors") for path in (lemur, tmp_path / "a" / "model"))
    embedding = "model.embed_tokens.weight"
    assert np.array_equal(before[embedding], after[embedding][:35])
    assert all(np.array_equal(before[name], after[name]) for name in before if name != embedding)


def test_two_runs_give_the_same_model(inputs, lemur, tmp_path):
    for name in "ab":
        run(inputs, lemur, tmp_path / name)
    assert checksums.sha256(tmp_path / "a" / "model") == checksums.sha256(tmp_path / "b" / "model")
