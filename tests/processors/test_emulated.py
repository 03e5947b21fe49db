"""The same bytes under qemu, which emulates processors completely: 10 minutes each.

    make test-processors        (Debian: apt-get install qemu-user)

The data stages are excluded, because numpy's default argsort sorts wrongly in qemu 7.2."""

import platform
import shutil
import sys

import pytest

from tests.processors.identity import NATIVE, run_module

pytestmark = [
    pytest.mark.qemu,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(platform.machine() != "x86_64", reason="compares with this machine, which is not x86-64"),
    pytest.mark.skipif(not shutil.which("qemu-x86_64"), reason="no qemu-x86_64: apt-get install qemu-user"),
]
TINY = "hidden_size=32,intermediate_size=96,num_hidden_layers=1,num_attention_heads=2,num_key_value_heads=1"
FINGERPRINTS = ("tests.processors.fingerprints", "--steps", "2", "--model", TINY, "trainings", "answers")


@pytest.fixture(scope="module")
def native() -> str:
    return run_module(NATIVE, *FINGERPRINTS)


@pytest.mark.parametrize("model", ["EPYC-Rome", "Haswell", "Skylake-Client"])
def test_trainings_and_answers(native: str, model: str) -> None:
    emulated = run_module(NATIVE, *FINGERPRINTS, python=("qemu-x86_64", "-cpu", model, sys.executable))
    assert emulated == native
