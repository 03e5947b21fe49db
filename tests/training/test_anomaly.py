"""Abnormal steps are found and counted, skipped, or end the training."""

import csv
import math

import numpy as np
import pytest

from lemur.core.records import read_json
from lemur.training.monitoring import anomaly
from lemur.training.params import AnomalyParams
from tests.training.test_base_model import run


def params(**changes):
    values = {"not_finite": "stop", "spike": "count", "spike_z": 3.0, "window": 4, "most_skipped": 2}
    return AnomalyParams.model_validate({**values, **changes})


def rows(losses):
    return [
        {"step": step, "loss": loss, "gradient_norm": 2 * loss, "update_norm": 1.0, "skipped": 0}
        for step, loss in enumerate(losses, 1)
    ]


def judge(before, loss, **changes):
    row = {**rows([loss])[0], "step": len(before) + 1}
    anomaly.judge(before, row, anomaly.loss_limit(before, params(**changes)), params(**changes), "shards")
    return row


def test_z_scores_use_the_window_before():
    losses = [9.0, 1.0, 2.0, 4.0, 3.0]
    scores = anomaly.z_scores(rows(losses), {"loss": 5.0, "gradient_norm": 1.0, "update_norm": 7.0}, 4)
    assert scores["loss_z"] == pytest.approx((5 - np.mean(losses[1:])) / np.std(losses[1:]))
    assert scores["gradient_norm_z"] == pytest.approx((1 - 2 * np.mean(losses[1:])) / (2 * np.std(losses[1:])))
    assert "update_norm_z" not in scores  # it never changed
    assert anomaly.z_scores(rows(losses[:3]), {"loss": 5.0, "gradient_norm": 1.0, "update_norm": 7.0}, 4) == {}


def test_a_spike_is_counted_skipped_or_ends_the_training(caplog):
    before = rows([1.0, 2.0, 1.0, 2.0])  # mean 1.5, deviation 0.5: the limit is 3
    assert [judge(before, loss)["spike"] for loss in (2.99, 3.01)] == [0, 1]
    assert "step 5: the loss 3.0100 is above 3.0000, a spike" in caplog.text
    assert (judge(before, 3.01, spike="skip")["skipped"], judge(before, 3.01)["skipped"]) == (1, 0)
    with pytest.raises(
        FloatingPointError, match=r"step 5: the loss 3\.0100 is above 3\.0000 .*no model was written.*lemur inspect 5 "
    ):
        judge(before, 3.01, spike="stop")
    assert judge(before[:3], 1e9)["spike"] == 0  # too few steps to tell


def test_skipped_steps_are_outside_the_window_and_too_many_end_the_training():
    before = rows([1.0, 2.0, 1.0, 2.0])
    skipped = judge(before, 50.0, spike="skip")
    assert anomaly.loss_limit([*before, skipped], params()) == anomaly.loss_limit(before, params())
    with pytest.raises(FloatingPointError, match=r"2 steps in a row were skipped \(anomaly\.most_skipped\)"):
        judge([*before, skipped], 50.0, spike="skip")
    with pytest.raises(FloatingPointError, match=r"step 5: \{'loss': nan"):
        judge(before, math.nan)
    assert judge(before, math.nan, not_finite="skip")["skipped"] == 1


def curve(out):
    with (out / "curve.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_skipped_step_leaves_the_weights_as_they_are(inputs, tmp_path, monkeypatch):
    """Step 3 of 4 is declared a spike, so only steps 1, 2 and 4 update the model."""
    changes = {"steps": 4, "eval_every": 1, "optimizer": {"schedule": "constant", "warmup_steps": 0}}
    limits = iter([math.inf, math.inf, 0.0, math.inf])
    monkeypatch.setattr(anomaly, "loss_limit", lambda rows, params: next(limits))
    run(inputs, tmp_path / "a", **changes, anomaly={"spike": "skip"})
    rows = curve(tmp_path / "a")
    assert [row["skipped"] for row in rows] == ["", "0", "0", "1", "0"]
    heldout = [float(row["heldout_code_loss"]) for row in rows]
    assert heldout[3] == heldout[2] != heldout[1]
    assert heldout[4] != heldout[3]
    report = read_json(tmp_path / "a" / "report.json")
    assert (report["spikes"], report["skipped"]) == (1, 1)


def test_a_training_without_finite_steps_ends(inputs, tmp_path):
    changes = {"steps": 60, "optimizer": {"peak_learning_rate": 1e30, "warmup_steps": 0}}
    with pytest.raises(FloatingPointError, match="3 steps in a row were skipped"):
        run(inputs, tmp_path / "a", **changes, anomaly={"not_finite": "skip", "most_skipped": 3})
    assert not (tmp_path / "a" / "model").exists()


def test_losses_of_sources_and_z_scores_are_in_the_curve(inputs, tmp_path):
    run(inputs, tmp_path / "a", steps=6, eval_every=3, anomaly={"window": 3})
    rows = curve(tmp_path / "a")
    assert [row["step"] for row in rows if row["loss_a"] and row["loss_b"]] == ["3", "6"]
    assert [row["step"] for row in rows if row["gradient_norm_z"]] == ["4", "5", "6"]
    # Every target belongs to one of two sources, so the batches' mean is between theirs.
    last = float(np.mean([float(row["loss"]) for row in rows[4:]]))
    low, high = sorted((float(rows[6]["loss_a"]), float(rows[6]["loss_b"])))
    assert low - 1e-3 <= last <= high + 1e-3
