"""A training is killed with -9 at five moments, two of them during a save, and restarted each time."""

import os
import shutil
import signal
import time

import pytest

from tests.training.test_mesh import finish, start
from tests.training.test_resume import saved_steps

STEPS = 60


def unfinished_saves(checkpoints):
    """Saves that have begun but are not complete."""
    return list(checkpoints.glob("*/*/*.orbax-checkpoint-tmp*"))


def kill_when(moment, process):
    """SIGKILL while `moment()` is true. The process is stopped first, so that it cannot move on before the kill."""
    deadline = time.monotonic() + 120
    while True:
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline, "the moment never came"
        os.kill(process.pid, signal.SIGSTOP)
        if moment():
            process.kill()
            return process.communicate()[1]
        os.kill(process.pid, signal.SIGCONT)
        time.sleep(0.005)


@pytest.mark.slow
def test_a_training_killed_at_five_moments_ends_with_the_same_bytes(inputs, tmp_path, monkeypatch):
    checkpoints = tmp_path / "checkpoints"  # on a disk, as in a real training
    monkeypatch.setenv("LEMUR_CHECKPOINTS", str(checkpoints))
    monkeypatch.setenv("LEMUR_CHECKPOINT_EVERY", "1")
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path / "compiled"))
    training = ("stage", inputs)
    settings = ("1x1x1x1", STEPS, -1)
    finish(start(*training, tmp_path / "whole", *settings))
    assert not checkpoints.exists() or not saved_steps(checkpoints)

    def newest():
        return max(saved_steps(checkpoints), default=0)

    out = tmp_path / "killed"
    moments = {
        "in the first save": lambda: unfinished_saves(checkpoints) and not newest(),
        "between saves": lambda: newest() >= 5 and not unfinished_saves(checkpoints),
        "in a later save": lambda: newest() >= 12 and unfinished_saves(checkpoints),
        "near the end": lambda: newest() >= STEPS - 6,
        "while the model is written": lambda: (out / "0" / "model").exists(),
    }
    saved = 0
    for name, moment in moments.items():
        output = kill_when(moment, start(*training, out, *settings))
        assert f" {saved}/{STEPS} " in output, (name, output)
        assert newest() >= saved
        saved = newest()
        shutil.rmtree(out, ignore_errors=True)  # as the runner does after a killed stage
    assert f" {saved}/{STEPS} " in finish(start(*training, out, *settings))
    files = sorted(path.relative_to(out) for path in out.rglob("*") if path.is_file())
    assert len(files) >= 4
    for path in files:
        assert (out / path).read_bytes() == (tmp_path / "whole" / path).read_bytes(), path
    assert not saved_steps(checkpoints)
