"""Trainings that end early, and resume from a save."""

import asyncio
import json
import os
import re
import shutil
import signal
from pathlib import Path

import jax.numpy as jnp
import pytest
from orbax.checkpoint import JsonCheckpointHandler

from lemur.tokens.shards import open_shards
from lemur.training import checkpoint
from lemur.training.monitoring import anomaly
from tests.training.builders import write_shards, write_tokenizer
from tests.training.test_base_model import run


class Killed(BaseException):
    pass


def run_until(inputs, out, stop_after, **changes):
    """Run the stage and end it abruptly after computing the step after `stop_after`."""
    judge = anomaly.judge

    def judge_or_kill(rows, row, *others):
        if row["step"] > stop_after:
            raise Killed
        judge(rows, row, *others)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(anomaly, "judge", judge_or_kill)
        with pytest.raises(Killed):
            run(inputs, out, **changes)
    assert not (out / "model").exists()


def saved_steps(checkpoints):
    return sorted(int(path.name) for path in checkpoints.glob("*/*/*") if path.name.isdigit())


@pytest.fixture(scope="module")
def whole(inputs, tmp_path_factory):
    return run(inputs, tmp_path_factory.mktemp("whole") / "out")


def test_a_run_interrupted_and_resumed_at_every_step_equals_one_never_interrupted(
    inputs, tmp_path, monkeypatch, caplog, checkpoints, whole
):
    caplog.set_level("INFO")
    monkeypatch.setenv("LEMUR_CHECKPOINT_EVERY", "1")
    for step in range(1, 6):
        run_until(inputs, tmp_path / str(step), step)
    assert run(inputs, tmp_path / "resumed") == whole
    assert [f"resumed after step {step} of 6" in caplog.text for step in range(1, 6)] == [True] * 5
    assert not list(checkpoints.glob("*"))


def test_a_killed_run_resumes_from_its_last_save(inputs, tmp_path, monkeypatch, caplog, whole):
    caplog.set_level("INFO")
    monkeypatch.setenv("LEMUR_CHECKPOINT_EVERY", "2")
    run_until(inputs, tmp_path / "killed", 5)
    assert run(inputs, tmp_path / "resumed") == whole
    assert "resumed after step 4 of 6" in caplog.text


def test_the_newest_saves_and_those_of_keep_every_are_kept(inputs, tmp_path, monkeypatch, checkpoints):
    for name, value in (("EVERY", "1"), ("KEEP", "1"), ("KEEP_EVERY", "3")):
        monkeypatch.setenv(f"LEMUR_CHECKPOINT_{name}", value)
    run_until(inputs, tmp_path / "killed", 5)
    assert saved_steps(checkpoints) == [3, 5]
    run(inputs, tmp_path / "done")
    assert saved_steps(checkpoints) == [3]
    monkeypatch.setenv("LEMUR_CHECKPOINT_EVERY", "often")
    with pytest.raises(SystemExit, match="LEMUR_CHECKPOINT_EVERY is 'often'; a whole number"):
        run(inputs, tmp_path / "never")
    monkeypatch.setenv("LEMUR_CHECKPOINT_EVERY", "1")
    monkeypatch.setenv("LEMUR_CHECKPOINT_KEEP", "0")
    with pytest.raises(SystemExit, match="LEMUR_CHECKPOINT_KEEP is '0'; a whole number of at least 1"):
        run(inputs, tmp_path / "none")


def test_sigterm_saves_and_stops(inputs, tmp_path, monkeypatch, checkpoints, whole):
    judge = anomaly.judge

    def judge_with_sigterm(rows, row, *others):
        if row["step"] == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        judge(rows, row, *others)

    handler = signal.getsignal(signal.SIGTERM)
    with monkeypatch.context() as patch:
        patch.setattr(anomaly, "judge", judge_with_sigterm)
        with pytest.raises(SystemExit, match="SIGTERM after step 3 of 6: the state is saved"):
            run(inputs, tmp_path / "left")
    assert signal.getsignal(signal.SIGTERM) == handler
    assert saved_steps(checkpoints) == [3]
    assert run(inputs, tmp_path / "resumed") == whole


def test_a_save_holds_the_state_at_the_time_of_the_call(monkeypatch):
    """Orbax writes in the background; on a busy machine that is some steps later."""
    save = JsonCheckpointHandler._save_fn

    async def save_late(self, record, directory):
        await asyncio.sleep(0.2)
        await save(self, record, directory)

    monkeypatch.setattr(JsonCheckpointHandler, "_save_fn", save_late)
    rows, state = [{"step": 1}], {"weights": jnp.ones(3)}
    with checkpoint.Checkpoints({"stage": "training"}, {}) as checkpoints:
        checkpoints.save(1, state, {"rows": rows}, now=True)
        rows[0]["step"] = 7
        rows.append({"step": 2})
    with checkpoint.Checkpoints({"stage": "training"}, {}) as checkpoints:
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


def test_another_training_does_not_resume_and_another_profile_only_on_request(
    inputs, tmp_path, monkeypatch, caplog, whole
):
    caplog.set_level("INFO")
    monkeypatch.setenv("LEMUR_CHECKPOINT_EVERY", "2")
    run_until(inputs, tmp_path / "killed", 3)
    run(inputs, tmp_path / "other", seed=9)
    assert "resumed" not in caplog.text
    monkeypatch.setenv("NPROC", "7")  # too late for XLA, so the bits stay the same
    run_until(inputs, tmp_path / "again", 5)
    assert "save after step 2 of this training under another numerics profile" in caplog.text
    assert "resumed" not in caplog.text
    monkeypatch.setenv("NPROC", "8")
    monkeypatch.setenv("LEMUR_RESUME", "any")
    resumed = run(inputs, tmp_path / "any")
    assert "resumed after step 4" in caplog.text
    profiles = json.loads(resumed.pop("report.json"))["profiles"]
    assert [(entry["after_step"], entry["profile"]["threads"]) for entry in profiles] == [(0, "7"), (4, "8")]
    assert resumed == {name: content for name, content in whole.items() if name != "report.json"}


@pytest.fixture(scope="module")
def changed(inputs, tmp_path_factory):
    """The inputs with other data that has one more source."""
    folder = tmp_path_factory.mktemp("changed")
    for name in ("tokenizer", "heldout"):
        shutil.copytree(inputs / name, folder / name)
    write_shards(folder / "packed", write_tokenizer(folder / "same"), seed=1, sources=["a", "b", "c"])
    return folder


@pytest.fixture(scope="module")
def from_start(changed, tmp_path_factory):
    """The outputs of an uninterrupted run on the changed data."""
    return run(changed, tmp_path_factory.mktemp("from_start") / "out")


@pytest.fixture
def killed(inputs, tmp_path, monkeypatch):
    monkeypatch.setenv("LEMUR_CHECKPOINT_EVERY", "2")
    run_until(inputs, tmp_path / "killed", 5)


def test_other_data_stops_the_run_until_told_to_start_fresh(
    inputs, changed, killed, from_start, whole, tmp_path, monkeypatch, checkpoints
):
    original, other = (open_shards(folder / "packed").fingerprint for folder in (inputs, changed))
    refused = (
        rf"{checkpoints}/\w+/\w+: .*\(curve\) reached step 4 with other data, .* was {original} and is {other}\. .*"
    )
    for number in (1, 2):
        with pytest.raises(ValueError, match=refused + "LEMUR_RESUME=other-data resumes .* LEMUR_RESUME=fresh starts"):
            run(changed, tmp_path / f"refused{number}")
    monkeypatch.setenv("LEMUR_RESUME", "fresh")
    assert run(changed, tmp_path / "fresh") == from_start
    monkeypatch.delenv("LEMUR_RESUME")
    assert run(changed, tmp_path / "after") == from_start  # the killed one is abandoned
    assert saved_steps(checkpoints) == [2, 4]
    assert run(inputs, tmp_path / "resumed") == whole


def test_a_run_resumes_with_other_data_on_request_and_the_report_says_so(
    inputs, changed, killed, from_start, tmp_path, monkeypatch, caplog, checkpoints
):
    caplog.set_level("INFO")
    monkeypatch.setenv("LEMUR_RESUME", "other-data")
    with monkeypatch.context() as patch:
        patch.setenv("LEMUR_CHECKPOINT_EVERY", "1")
        run_until(changed, tmp_path / "killed_again", 5)
    assert "resumed after step 4 of 6" in caplog.text
    monkeypatch.delenv("LEMUR_RESUME")
    resumed = run(changed, tmp_path / "resumed")
    assert "resumed after step 5 of 6" in caplog.text
    first, second = (open_shards(folder / "packed").fingerprint for folder in (inputs, changed))
    report = json.loads(resumed["report.json"])
    assert report["data"] == second
    assert report["other_data"] == [{"after_step": 0, "data": first}, {"after_step": 4, "data": second}]
    assert "other_data" not in json.loads(from_start["report.json"])
    assert resumed["model/model.safetensors"] != from_start["model/model.safetensors"]
    lines, new = (files["curve.csv"].decode().splitlines() for files in (resumed, from_start))
    assert lines[0] == new[0] and "loss_c" in lines[0]
    # The batch of step N is the new data's batch of step N; only the weights came from elsewhere.
    tokens = [[int(line.split(",")[1]) for line in text[1:]] for text in (lines, new)]
    assert [row[-1] - row[-2] for row in tokens] == [4 * 28] * 2
    # A finished training blocks no run with other data, nor does the killed one it resumed from.
    write_shards(third := tmp_path / "third", write_tokenizer(tmp_path / "same"), seed=2)
    for name in ("tokenizer", "heldout"):
        shutil.copytree(inputs / name, tmp_path / "inputs" / name)
    third.rename(tmp_path / "inputs" / "packed")
    run(tmp_path / "inputs", tmp_path / "without_request")


def test_kept_saves_of_a_finished_training_do_not_block_other_data(
    inputs, changed, from_start, tmp_path, monkeypatch, checkpoints
):
    for name, value in (("EVERY", "1"), ("KEEP_EVERY", "3")):
        monkeypatch.setenv(f"LEMUR_CHECKPOINT_{name}", value)
    run(inputs, tmp_path / "done")
    assert saved_steps(checkpoints) == [3]
    assert run(changed, tmp_path / "changed") == from_start


def test_a_training_that_differs_in_more_than_data_does_not_block(changed, killed, tmp_path, monkeypatch):
    run(changed, tmp_path / "seed", seed=9)
    # Another tokenizer of the same size.
    shutil.copytree(changed / "tokenizer", tmp_path / "inputs/tokenizer")
    file = tmp_path / "inputs/tokenizer/tokenizer.json"
    swaps = str.maketrans("ab", "ba")
    file.write_text(
        re.sub('"[ab]": ', lambda match: match[0].translate(swaps), file.read_text(encoding="utf-8")), encoding="utf-8"
    )
    assert file.read_bytes() != (changed / "tokenizer/tokenizer.json").read_bytes()
    for name in ("heldout", "packed"):
        (tmp_path / "inputs" / name).symlink_to(changed / name)
    run(tmp_path / "inputs", tmp_path / "tokenizer")
    monkeypatch.setenv("LEMUR_RESUME", "other")
    with pytest.raises(SystemExit, match="LEMUR_RESUME is 'other'; any, other-data, fresh or nothing is allowed"):
        run(changed, tmp_path / "never")


def test_other_data_with_fewer_steps_than_were_done_can_only_start_fresh(monkeypatch):
    """As in instruction tuning with fewer records, whose number decides its steps."""
    identity = {"stage": "tuning", "params": {"epochs": 2}, "steps": 9, "data": "x"}
    state = {"weights": jnp.ones(3)}
    with checkpoint.Checkpoints(identity, {}) as checkpoints:
        checkpoints.save(5, state, {}, now=True)
    monkeypatch.setenv("LEMUR_RESUME", "other-data")
    other = {**identity, "data": "y"}
    with (
        checkpoint.Checkpoints({**other, "steps": 5}, {}) as checkpoints,
        pytest.raises(ValueError, match=r"only 5 steps, so it cannot resume .* LEMUR_RESUME=fresh starts at step 0"),
    ):
        checkpoints.newest(state)
    with checkpoint.Checkpoints({**other, "steps": 6}, {}) as checkpoints:
        assert checkpoints.newest(state)[0] == 5


def test_identity_and_profile_decide_the_folder_names(monkeypatch):
    identity = {"params": {"seed": 1}, "data": "x"}
    assert checkpoint.fingerprint(identity) == checkpoint.fingerprint(dict(identity))
    assert checkpoint.fingerprint(identity) != checkpoint.fingerprint({**identity, "data": "y"})
    before = checkpoint.numerics_profile({"data": 1})
    assert before != checkpoint.numerics_profile({"data": 2})
    monkeypatch.setenv("XLA_FLAGS", "--xla_something_else")
    assert before != checkpoint.numerics_profile({"data": 1})


def test_the_code_hash_covers_all_folders_of_a_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("model", "training/monitoring"):
        (tmp_path / folder).mkdir(parents=True)
    monkeypatch.setattr(checkpoint, "PACKAGE", tmp_path)
    hashes = {checkpoint.code_hash()}
    for file in ("model/a.py", "training/a.py", "training/monitoring/a.py"):
        (tmp_path / file).write_text("a = 1", encoding="utf-8")
        hashes.add(checkpoint.code_hash())
    assert len(hashes) == 4
