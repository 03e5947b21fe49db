"""One training on meshes of eight simulated CPU devices and in several processes gives the same numbers."""

import csv
import os
import socket
import subprocess
import sys

import numpy as np
import pytest

from lemur.core.files import ROOT
from lemur.core.records import read_json
from lemur.training import devices
from lemur.training.base_model import Params
from tests.model.reference import small_config
from tests.training.builders import parameters


def start(*arguments, **environment):
    command = [sys.executable, "-m", "tests.training.mesh_run", *map(str, arguments)]
    variables = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}", **environment}
    return subprocess.Popen(command, cwd=ROOT, env=variables, stderr=subprocess.PIPE, encoding="utf-8")


def finish(process, code=0):
    errors = process.communicate(timeout=280)[1]
    assert process.returncode == code, errors
    return errors


def start_all(count, *arguments, **environment):
    """Start the same program in `count` processes that connect to each other."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        coordinator = f"127.0.0.1:{free.getsockname()[1]}"
    shared = {"LEMUR_LAUNCHED": "1", "LEMUR_COORDINATOR": coordinator, "LEMUR_PROCESSES": str(count)}
    return [start(*arguments, **shared, LEMUR_PROCESS=str(index), **environment) for index in range(count)]


def compare(reference, other):
    with np.load(reference) as expected, np.load(other) as arrays:
        assert set(expected) == set(arrays)
        for name in set(expected) - {"largest_part"}:
            scale = max(float(np.abs(expected[name]).max()), 1e-3)
            np.testing.assert_allclose(arrays[name], expected[name], atol=2e-5 * scale, rtol=1e-5, err_msg=name)
        return float(arrays["largest_part"])


@pytest.fixture(scope="module")
def single(inputs, tmp_path_factory):
    out = tmp_path_factory.mktemp("single")
    finish(start("gradients", inputs, out, "1x1x1x1"))
    return out / "1x1x1x1.npz"


def check_meshes(inputs, tmp_path, single, meshes):
    errors = finish(start("gradients", inputs, tmp_path, *meshes))
    assert "Involuntary full rematerialization" not in errors
    for mesh, part in meshes.items():
        assert compare(single, tmp_path / f"{mesh}.npz") == part


def test_loss_and_gradients_are_equal_on_every_axis(inputs, tmp_path, single):
    # The fraction is the largest part of a parameter that a device holds.
    check_meshes(inputs, tmp_path, single, {"1x8x1x1": 1 / 8, "1x2x2x2": 1 / 4})


@pytest.mark.slow
def test_loss_and_gradients_are_equal_on_more_meshes(inputs, tmp_path, single):
    check_meshes(
        inputs,
        tmp_path,
        single,
        {
            "8x1x1x1": 1,
            "2x1x4x1": 1 / 4,
            "1x2x4x1": 1 / 8,
            "1x1x4x2": 1 / 4,
            "2x2x1x2": 1 / 2,
            "4x1x1x2": 1,
            "1x4x1x2": 1 / 4,
        },
    )


def test_a_sequence_axis_gathers_weights_but_not_the_whole_batch(inputs, tmp_path):
    errors = finish(start("sent", inputs, tmp_path, "1x2x2x2", "1x1x4x2"))
    assert "Involuntary full rematerialization" not in errors
    sent = read_json(tmp_path / "sent.json")
    # Before `sharding.gather_weight`: 12.1 and 22.9 MB. At 70B it was 122 GiB of memory, now 5 (of 4 layers).
    assert sent == pytest.approx({"1x2x2x2": 7.8e6, "1x1x4x2": 9.8e6}, rel=0.1)


def curve(path):
    with path.open(encoding="utf-8") as file:
        return [{name: float(value) for name, value in row.items() if value} for row in csv.DictReader(file)]


@pytest.mark.slow
def test_several_processes_train_as_one_and_a_save_resumes_under_another_mesh(inputs, tmp_path, monkeypatch):
    """Compares one process with one device, two processes of four devices each, and the latter stopped in the fourth
    step and resumed by one process of eight devices on another mesh."""
    finish(start("stage", inputs, tmp_path / "one", "1x1x1x1", 8, 0))
    for process in start_all(2, "stage", inputs, tmp_path / "two", "2x2x1x2", 8, 0):
        finish(process)
    expected = curve(tmp_path / "one" / "0" / "curve.csv")
    two_processes = curve(tmp_path / "two" / "0" / "curve.csv")
    assert (tmp_path / "two" / "0" / "curve.csv").read_bytes() == (tmp_path / "two" / "1" / "curve.csv").read_bytes()
    assert not (tmp_path / "two" / "1" / "model" / "model.safetensors").exists()

    for process in start_all(2, "stage", inputs, tmp_path / "left", "2x2x1x2", 8, 4):
        assert "SIGTERM after step 5 of 8: the state is saved" in finish(process, 1)
    assert not (tmp_path / "left" / "0" / "model").exists()
    # Without LEMUR_RESUME it starts at step 0, and warns that there is a save.
    errors = finish(start("stage", inputs, tmp_path / "fresh", "1x2x2x2", 8, 0, LEMUR_CHECKPOINT_KEEP_EVERY="1"))
    assert "save after step 5 of this training under another numerics profile" in errors
    finish(start("stage", inputs, tmp_path / "resumed", "1x2x2x2", 8, 0, LEMUR_RESUME="any"))
    resumed = curve(tmp_path / "resumed" / "0" / "curve.csv")
    profiles = read_json(tmp_path / "resumed" / "0" / "report.json")["profiles"]
    assert [(entry["after_step"], entry["profile"]["mesh"]["sequence"]) for entry in profiles] == [(0, 1), (5, 2)]
    assert [entry["profile"]["processes"] for entry in profiles] == [2, 1]

    for other in (two_processes, resumed):
        assert [row["tokens"] for row in other] == [row["tokens"] for row in expected]
        for expected_row, row in zip(expected, other, strict=True):
            assert row == pytest.approx(expected_row, rel=2e-3), expected_row["step"]
    assert resumed[:6] == two_processes[:6]


def params(**changes):
    sizes = {"data": 1, "fsdp": 1, "sequence": 1, "tensor": 1}
    mesh = {**sizes, **{name: changes.pop(name) for name in list(changes) if name in sizes}}
    return Params.model_validate(parameters("base_model", mesh=mesh, **changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"fsdp": 3, "batch_size": 6},
            r"fsdp \* sequence is 3, which does not divide hidden_size \({width}\); \[1, 2, 4, 8",
        ),
        ({"data": 4}, r"data \* fsdp is 4, .* rows of a microbatch \(batch_size / microbatches\) \(2\); \[1, 2\] do"),
        ({"tensor": 4}, r"tensor is 4, which does not divide num_key_value_heads \({heads}\); "),
    ],
)
def test_a_mesh_that_does_not_divide_is_refused(changes, message):
    with pytest.raises(ValueError, match=message.format(width=16, heads=1)):
        params(**changes)
    if "data" not in changes:  # whose rows are the batch's, whatever the model
        with pytest.raises(ValueError, match=message.format(width=32, heads=2)):
            devices.check_mesh(params(init="safetensors", **changes), small_config())


def test_a_mesh_of_more_devices_than_there_are_is_refused():
    with pytest.raises(
        ValueError, match=r"data 2 \* fsdp 4 .* make 8 devices, but JAX sees 1 cpu devices in 1 process"
    ):
        devices.make_mesh(params(data=2, fsdp=4, batch_size=16).mesh)
