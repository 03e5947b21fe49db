"""Stage continued_pretraining, starting from a model of stage base_model."""

import csv

import pytest

from lemur.core.records import read_json
from lemur.model import checksums, folder
from lemur.training.continued_pretraining import Params, continued_pretraining
from tests.training.builders import parameters, write_shards, write_tokenizer
from tests.training.test_base_model import run as run_base


def run(inputs, base, out, **changes):
    out.mkdir(parents=True)
    continued_pretraining(
        Params.model_validate(parameters("continued_pretraining", **changes)),
        base,
        changes.pop("shards", inputs / "packed"),
        inputs / "heldout",
        model=out / "model",
        curve=out / "curve.csv",
        report=out / "report.json",
    )
    with (out / "curve.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def base(inputs, tmp_path_factory):
    out = tmp_path_factory.mktemp("base")
    run_base(inputs, out / "base", steps=3)
    return out / "base"


def test_it_continues_where_the_base_model_ended(inputs, base, tmp_path):
    curve = run(inputs, base / "model", tmp_path / "a", steps=30, optimizer={"peak_learning_rate": 0.02})
    with (base / "curve.csv").open(encoding="utf-8") as file:
        end = list(csv.DictReader(file))[-1]
    assert float(curve[0]["heldout_code_loss"]) == pytest.approx(float(end["heldout_code_loss"]), rel=1e-6)
    assert float(curve[-1]["heldout_code_loss"]) < float(curve[0]["heldout_code_loss"]) - 0.5
    assert folder.load(tmp_path / "a" / "model")[0] == folder.load(base / "model")[0]
    for name in ("tokenizer.json", "tokenizer_config.json"):
        assert (tmp_path / "a" / "model" / name).read_bytes() == (base / "model" / name).read_bytes()
    assert read_json(tmp_path / "a" / "report.json")["weights"] == checksums.sha256(tmp_path / "a" / "model")


def test_zero_steps_leave_the_weights_unchanged(inputs, base, tmp_path):
    run(inputs, base / "model", tmp_path / "a", steps=0)
    assert checksums.sha256(tmp_path / "a" / "model") == checksums.sha256(base / "model")


def test_microbatches_and_remat_change_the_model_only_by_rounding(inputs, base, tmp_path):
    losses = [
        float(run(inputs, base / "model", tmp_path / f"{parts}{remat}", microbatches=parts, remat=remat)[-1]["loss"])
        for parts, remat in ((1, "none"), (4, "none"), (2, "full"))
    ]
    assert losses == pytest.approx([losses[0]] * 3, rel=1e-4)


def test_shards_of_a_larger_vocabulary_are_refused(inputs, base, tmp_path):
    write_shards(tmp_path / "packed", write_tokenizer(tmp_path / "tokenizer", chat=True))
    params = Params.model_validate(parameters("continued_pretraining"))
    out = {"model": tmp_path / "m", "curve": tmp_path / "c", "report": tmp_path / "r"}
    with pytest.raises(ValueError, match="tokens of a vocabulary of 40, but the model has 35"):
        continued_pretraining(params, base / "model", tmp_path / "packed", inputs / "heldout", **out)
