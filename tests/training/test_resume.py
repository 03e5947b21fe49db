"""Trainings that end early, and go on where they were saved."""

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
    monkeypatch.setenv("LEMUR_CHECKPOINT_EVERY", "1")
    monkeypatch.setenv("LEMUR_CHECKPOINT_KEEP", "0")
    with pytest.raises(SystemExit, match="LEMUR_CHECKPOINT_KEEP is '0'; a whole number of at least 1"):
        run(inputs, tmp_path / "none")


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


@pytest.fixture(scope="module")
def changed(inputs, tmp_path_factory):
    """The inputs with other data, of another source."""
    folder = tmp_path_factory.mktemp("changed")
    for name in ("tokenizer", "heldout"):
        shutil.copytree(inputs / name, folder / name)
    write_shards(folder / "packed", write_tokenizer(folder / "same"), seed=1, sources=["a", "b", "c"])
    return folder


@pytest.fixture(scope="module")
def anew(changed, tmp_path_factory):
    return run(changed, tmp_path_factory.mktemp("anew") / "out")


@pytest.fixture
def killed(inputs, tmp_path, monkeypatch):
    monkeypatch.setenv("LEMUR_CHECKPOINT_EVERY", "2")
    run_until(inputs, tmp_path / "killed", 5)


def test_other_data_stops_until_told_to_start_anew(
    inputs, changed, killed, anew, whole, tmp_path, monkeypatch, checkpoints
):
    mine, other = (open_shards(folder / "packed").fingerprint for folder in (inputs, changed))
    refused = rf"{checkpoints}/\w+/\w+: .*\(curve\) reached step 4 with other data, .* was {mine} and is {other}\. .*"
    for number in (1, 2):
        with pytest.raises(ValueError, match=refused + "LEMUR_RESUME=other-data goes on .* LEMUR_RESUME=fresh starts"):
            run(changed, tmp_path / f"refused{number}")
    monkeypatch.setenv("LEMUR_RESUME", "fresh")
    assert run(changed, tmp_path / "fresh") == anew
    monkeypatch.delenv("LEMUR_RESUME")
    assert run(changed, tmp_path / "after") == anew  # the killed one is given up
    assert saved_steps(checkpoints) == [2, 4]
    assert run(inputs, tmp_path / "resumed") == whole


def test_told_to_go_on_with_other_data_it_does_and_the_report_says_so(
    inputs, changed, killed, anew, tmp_path, monkeypatch, caplog, checkpoints
):
    caplog.set_level("INFO")
    monkeypatch.setenv("LEMUR_RESUME", "other-data")
    with monkeypatch.context() as patch:
        patch.setenv("LEMUR_CHECKPOINT_EVERY", "1")
        run_until(changed, tmp_path / "killed_again", 5)
    assert "resumed after step 4 of 6" in caplog.text
    monkeypatch.delenv("LEMUR_RESUME")
    gone_on = run(changed, tmp_path / "gone_on")
    assert "resumed after step 5 of 6" in caplog.text
    first, second = (open_shards(folder / "packed").fingerprint for folder in (inputs, changed))
    report = json.loads(gone_on["report.json"])
    assert report["data"] == second
    assert report["other_data"] == [{"after_step": 0, "data": first}, {"after_step": 4, "data": second}]
    assert "other_data" not in json.loads(anew["report.json"])
    assert gone_on["model/model.safetensors"] != anew["model/model.safetensors"]
    lines, new = gone_on["curve.csv"].decode().splitlines(), anew["curve.csv"].decode().splitlines()
    assert lines[0] == new[0] and "loss_c" in lines[0]
    # The batch of step N is the new data's batch of step N; only the weights came from elsewhere.
    tokens = [[int(line.split(",")[1]) for line in text[1:]] for text in (lines, new)]
    assert [row[-1] - row[-2] for row in tokens] == [4 * 28] * 2
    # What has ended stops nothing, and what it was made from neither.
    write_shards(third := tmp_path / "third", write_tokenizer(tmp_path / "same"), seed=2)
    for name in ("tokenizer", "heldout"):
        shutil.copytree(inputs / name, tmp_path / "inputs" / name)
    third.rename(tmp_path / "inputs" / "packed")
    run(tmp_path / "inputs", tmp_path / "unasked")


def test_a_finished_training_stops_no_other_data_though_its_saves_are_kept(
    inputs, changed, anew, tmp_path, monkeypatch, checkpoints
):
    for name, value in (("EVERY", "1"), ("KEEP_EVERY", "3")):
        monkeypatch.setenv(f"LEMUR_CHECKPOINT_{name}", value)
    run(inputs, tmp_path / "done")
    assert saved_steps(checkpoints) == [3]
    assert run(changed, tmp_path / "changed") == anew


def test_a_training_that_differs_in_more_than_data_is_no_obstacle(changed, killed, tmp_path, monkeypatch):
    run(changed, tmp_path / "seed", seed=9)
    # Another tokenizer of the same size.
    shutil.copytree(changed / "tokenizer", tmp_path / "inputs/tokenizer")
    file = tmp_path / "inputs/tokenizer/tokenizer.json"
    swaps = str.maketrans("ab", "ba")
    file.write_text(re.sub('"[ab]": ', lambda match: match[0].translate(swaps), file.read_text()))
    assert file.read_bytes() != (changed / "tokenizer/tokenizer.json").read_bytes()
    for name in ("heldout", "packed"):
        (tmp_path / "inputs" / name).symlink_to(changed / name)
    run(tmp_path / "inputs", tmp_path / "tokenizer")
    monkeypatch.setenv("LEMUR_RESUME", "other")
    with pytest.raises(SystemExit, match="LEMUR_RESUME is 'other'; any, other-data, fresh or nothing is allowed"):
        run(changed, tmp_path / "never")


def test_other_data_with_fewer_steps_than_were_done_only_starts_anew(monkeypatch):
    """As instruction tuning has with fewer records: its steps follow from them."""
    identity = {"stage": "tuning", "params": {"epochs": 2}, "steps": 9, "data": "x"}
    state = {"weights": jnp.ones(3)}
    with checkpoint.Checkpoints(identity, {}) as checkpoints:
        checkpoints.save(5, state, {}, now=True)
    monkeypatch.setenv("LEMUR_RESUME", "other-data")
    less = {**identity, "data": "y"}
    with (
        checkpoint.Checkpoints({**less, "steps": 5}, {}) as checkpoints,
        pytest.raises(ValueError, match=r"only 5 steps, so it cannot go on .* LEMUR_RESUME=fresh starts anew"),
    ):
        checkpoints.newest(state)
    with checkpoint.Checkpoints({**less, "steps": 6}, {}) as checkpoints:
        assert checkpoints.newest(state)[0] == 5


def test_identity_and_profile_decide_the_names(monkeypatch):
    identity = {"params": {"seed": 1}, "data": "x"}
    assert checkpoint.fingerprint(identity) == checkpoint.fingerprint(dict(identity))
    assert checkpoint.fingerprint(identity) != checkpoint.fingerprint({**identity, "data": "y"})
    before = checkpoint.profile({"data": 1})
    assert before != checkpoint.profile({"data": 2})
    monkeypatch.setenv("XLA_FLAGS", "--xla_something_else")
    assert before != checkpoint.profile({"data": 1})


def test_the_code_of_a_training_is_all_of_its_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("model", "training/monitoring"):
        (tmp_path / folder).mkdir(parents=True)
    monkeypatch.setattr(checkpoint, "PACKAGE", tmp_path)
    hashes = {checkpoint.code()}
    for file in ("model/a.py", "training/a.py", "training/monitoring/a.py"):
        (tmp_path / file).write_text("a = 1")
        hashes.add(checkpoint.code())
    assert len(hashes) == 4
