"""A shell or a container with few open files: programs run with the lower of its limit and the sandbox's."""

import os
import resource
import subprocess
import sys

import pytest

from lemur.sandbox import backend
from lemur.sandbox.limits import Limits
from tests.tools import ROOT


def test_limits_are_the_lower_of_both(monkeypatch: pytest.MonkeyPatch) -> None:
    own = {resource.RLIMIT_NOFILE: 64, resource.RLIMIT_CPU: 10, resource.RLIMIT_NPROC: 1000}
    monkeypatch.setattr(resource, "getrlimit", lambda which: (own.get(which, -1),) * 2)
    limits = Limits(cpu_s=10, open_files=256, processes=64).rlimits()
    assert limits["nofile"] == (64, 64)
    assert limits["cpu"] == (10, 10), "the hard limit cannot be a second above"
    assert limits["nproc"] == (64, 64)
    assert limits["fsize"] == (64 << 20, 64 << 20)
    monkeypatch.setattr(resource, "getrlimit", lambda which: (-1, -1))
    assert Limits(cpu_s=10).rlimits()["cpu"] == (10, 11) and Limits().rlimits()["nofile"] == (256, 256)


@pytest.mark.parametrize("mechanism", backend.MECHANISMS)
def test_programs_run_with_64_open_files(mechanism: str) -> None:
    if failure := backend.probe(mechanism):
        pytest.skip(failure)
    code = f"""
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
from lemur.sandbox import backend
print(backend.probe({mechanism!r}), backend.run(["/bin/sh", "-c", "ulimit -Hn"], mechanism={mechanism!r}))
"""
    environment = {"PYTHONPATH": str(ROOT / "src"), "PATH": os.environ["PATH"]}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, encoding="utf-8")
    assert done.stdout.startswith("None Completed(returncode=0,"), done.stdout + done.stderr
    if mechanism != "landlock":  # there a program cannot ask for its limits
        assert "stdout='64\\n'" in done.stdout
