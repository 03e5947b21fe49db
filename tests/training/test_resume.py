"""Trainings that end early, and go on where they were saved."""

import asyncio
import json
import os
import shutil
import signal

import jax.numpy as jnp
import pytest
from orbax.checkpoint import JsonCheckpointHandler

from lemur.training import anomaly, checkpoint
from tests.training.test_base_model import run


class Killed(BaseException):
    pass


def run_until(inputs, out, stop_after, **changes):
    """The stage, ended abruptly when it has computed the step after `stop_after`."""
    judge = anomaly.judge

    def killed(rows, row, *others):
        if row["step"] > stop_after:
            raise Killed
        judge(rows, row, *others)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(anomaly, "judge", killed)
        with pytest.raises(Killed):
            run(inputs, out, **changes)
    assert not (out / "model").exists()


def saved_steps(checkpoints):
    return sorted(int(path.name) for path in checkpoints.glob("*/*/*") if path.name.isdigit())


@pytest.fixture(scope="module")
def whole(inputs, tmp_path_factory):
    return run(inputs, tmp_path_factory.mktemp("whole") / "out")


def test_interrupted_and_resumed_at_every_step_is_the_same_as_never_interrupted(
    inputs, tmp_path, monkeypatch, caplog, checkpoints, whole
):
    caplog.set_level("INFO")
    monkeypatch.setenv("LEMUR_CHECKPOINT_EVERY", "1")
    for step in range(1, 6):
        run_until(inputs, tmp_path / str(step), step)
    assert run(inputs, tmp_path / "resumed") == whole
    assert [f"resumed after step {step} of 6" in caplog.text for step in range(1, 6)] == [True] * 5
    assert not list(checkpoints.glob("*"))


def test_the_last_save_before_the_kill_is_gone_on_from(inputs, tmp_path, monkeypatch, caplog, whole):
    caplog.set_level("INFO")
    monkeypatch.setenv("LEMUR_CHECKPOINT_EVERY", "2")
    run_until(inputs, tmp_path / "killed", 5)
    assert run(inputs, tmp_path / "resumed") == whole
    assert "resumed after step 4 of 6" in caplog.text


def test_the_newest_saves_and_those_of_every_so_many_steps_are_kept(inputs, tmp_path, monkeypatch, checkpoints):
    for name, value in (("EVERY", "1"), ("KEEP", "1"), ("KEEP_EVERY", "3")):
        monkeypatch.setenv(f"LEMUR_CHECKPOINT_{name}", value)
    run_until(inputs, tmp_path / "killed", 5)
    assert saved_steps(checkpoints) == [3, 5]
    run(inputs, tmp_path / "done")
    assert saved_steps(checkpoints) == [3]
    monkeypatch.setenv("LEMUR_CHECKPOINT_EVERY", "often")
    with pytest.raises(SystemExit, match="LEMUR_CHECKPOINT_EVERY is 'often'; a whole number"):
        run(inputs, tmp_path / "never")


def test_sigterm_saves_and_leaves(inputs, tmp_path, monkeypatch, checkpoints, whole):
    judge = anomaly.judge

    def terminated(rows, row, *others):
        if row["step"] == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        judge(rows, row, *others)

    handler = signal.getsignal(signal.SIGTERM)
    with monkeypatch.context() as patch:
        patch.setattr(anomaly, "judge", terminated)
        with pytest.raises(SystemExit, match="SIGTERM after step 3 of 6: the state is saved"):
            run(inputs, tmp_path / "left")
    assert signal.getsignal(signal.SIGTERM) == handler
    assert saved_steps(checkpoints) == [3]
    assert run(inputs, tmp_path / "resumed") == whole


def test_a_save_holds_what_was_when_it_was_asked_for(monkeypatch):
    """Orbax writes in the background, on a busy machine some steps later."""
    written = JsonCheckpointHandler._save_fn

    async def late(self, record, directory):
        await asyncio.sleep(0.2)
        await written(self, record, directory)

    monkeypatch.setattr(JsonCheckpointHandler, "_save_fn", late)
    rows, state = [{"step": 1}], {"weights": jnp.ones(3)}
    with checkpoint.Checkpoints("training", {}) as checkpoints:
        checkpoints.save(1, state, {"rows": rows}, now=True)
        rows[0]["step"] = 7
        rows.append({"step": 2})
    with checkpoint.Checkpoints("training", {}) as checkpoints:
        step, _, record = checkpoints.newest(state)
    assert (step, record) == (1, {"rows": [{"step": 1}]})


def test_a_damaged_save_is_named(inputs, tmp_path, monkeypatch, checkpoints, whole):
    monkeypatch.setenv("LEMUR_CHECKPOINT_EVERY", "2")
    run_until(inputs, tmp_path / "killed", 5)
    newest = next(checkpoints.glob("*/*/4"))
    for path in (newest / "state").rglob("*"):
        if path.is_file():
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ValueError, match=r"/4: this save cannot be read .* damaged\. Remove it \(rm -r .*/4\) and run"):
        run(inputs, tmp_path / "refused")
    shutil.rmtree(newest)
    assert run(inputs, tmp_path / "resumed") == whole


def test_another_training_does_not_resume_and_another_profile_only_if_told(
    inputs, tmp_path, monkeypatch, caplog, whole
):
    caplog.set_level("INFO")
    monkeypatch.setenv("LEMUR_CHECKPOINT_EVERY", "2")
    run_until(inputs, tmp_path / "killed", 3)
    run(inputs, tmp_path / "other", seed=9)
    assert "resumed" not in caplog.text
    monkeypatch.setenv("NPROC", "7")  # too late for XLA, so that the bits stay
    run_until(inputs, tmp_path / "again", 5)
    assert "save after step 2 of this training under another numerics profile" in caplog.text
    assert "resumed" not in caplog.text
    monkeypatch.setenv("NPROC", "8")
    monkeypatch.setenv("LEMUR_RESUME", "any")
    gone_on = run(inputs, tmp_path / "any")
    assert "resumed after step 4" in caplog.text
    profiles = json.loads(gone_on.pop("report.json"))["profiles"]
    assert [(entry["after_step"], entry["profile"]["threads"]) for entry in profiles] == [(0, "7"), (4, "8")]
    assert gone_on == {name: content for name, content in whole.items() if name != "report.json"}


def test_identity_and_profile_decide_the_names(monkeypatch):
    identity = {"params": {"seed": 1}, "data": "x"}
    assert checkpoint.fingerprint(identity) == checkpoint.fingerprint(dict(identity))
    assert checkpoint.fingerprint(identity) != checkpoint.fingerprint({**identity, "data": "y"})
    before = checkpoint.profile({"data": 1})
    assert before != checkpoint.profile({"data": 2})
    monkeypatch.setenv("XLA_FLAGS", "--xla_something_else")
    assert before != checkpoint.profile({"data": 1})
