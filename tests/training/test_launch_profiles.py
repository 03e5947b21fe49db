"""The launch commands of profiles/slurm and profiles/tpu_pod, with stand-ins for srun and gcloud that start two local
processes."""

import os
import re
import shlex
import shutil
import socket
import subprocess
import sys

import pytest
import yaml

from lemur.core.files import PARAMS, ROOT, read_yaml
from tests.training.builders import parameters

# Each process gets the variables that Slurm, or a TPU pod's metadata, would set.
SRUN = """#!/bin/bash
echo "srun $*" >>{log}
while [[ $1 == --* ]]; do shift; done
for index in 0 1; do
    SLURM_JOB_ID={port} SLURM_STEP_NODELIST=127.0.0.1 SLURM_NTASKS=2 SLURM_PROCID=$index SLURM_LOCALID=0 "$@" &
done
wait -n && wait -n
"""
GCLOUD = """#!/bin/bash
echo "gcloud $*" >>{log}
for word; do case $word in --command=*) command=${{word#--command=}} ;; esac; done
cd /
for index in 0 1; do
    env -i PATH="$PATH" HOME="$HOME" LEMUR_COORDINATOR=127.0.0.1:{port} LEMUR_PROCESSES=2 LEMUR_PROCESS=$index \\
        bash -c "$command" &
done
wait -n && wait -n
"""


def slurm_launch():
    """LEMUR_LAUNCH as profiles/slurm/submit sets it for a rule with two threads."""
    submit = (ROOT / "profiles/slurm/submit").read_text(encoding="utf-8")
    return re.search(r'LEMUR_LAUNCH="([^"]*)"', submit)[1].replace("$threads", "2")


@pytest.fixture
def checkout(tmp_path):
    """A copy of this checkout's code with a tiny base model on a mesh of two devices."""
    root = tmp_path / "a checkout"
    root.mkdir()
    shutil.copytree(ROOT / "src", root / "src")
    for name in ("profiles", "scales", "dvc.yaml", "environment.yaml", "pyproject.toml"):
        (root / name).symlink_to(ROOT / name)
    tiny = parameters("base_model", mesh={"data": 2})
    (root / "params.yaml").write_text(yaml.safe_dump({**read_yaml(PARAMS), "base_model": tiny}), encoding="utf-8")
    return root


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["slurm", "tpu_pod"])
def test_one_process_per_host(kind, checkout, inputs, tmp_path):
    tools = tmp_path / "tools"
    tools.mkdir()
    name, script, launch = {
        "slurm": ("srun", SRUN, slurm_launch()),
        "tpu_pod": ("gcloud", GCLOUD, "profiles/tpu_pod/launch"),
    }[kind]
    (tools / name).write_text(
        script.format(log=shlex.quote(str(tmp_path / "calls")), port=free_port()), encoding="utf-8"
    )
    (tools / name).chmod(0o755)
    variables = {key: value for key, value in os.environ.items() if not key.startswith(("JAX_", "XLA_", "LEMUR_"))}
    variables |= {"PATH": f"{tools}:{os.environ['PATH']}", "PYTHONPATH": "src"}
    variables |= {"LEMUR_LAUNCH": launch, "LEMUR_TPU": "a pod", "LEMUR_CHECKPOINTS": str(tmp_path / "check points")}
    bindings = {name: inputs / name for name in ("tokenizer", "heldout")}
    bindings |= {"shards": inputs / "packed", "base_weights": inputs / "packed"}
    out = {"model": "out/model", "curve": "out/curve.csv", "report": "out/report.json"}
    command = [sys.executable, "-m", "lemur", "run", "training.base_model"]
    command += [f"{key}={value}" for key, value in {**bindings, **out}.items()]
    done = subprocess.run(command, cwd=checkout, env=variables, capture_output=True, check=False, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    calls = (tmp_path / "calls").read_text(encoding="utf-8")
    if kind == "slurm":
        assert calls.startswith("srun --ntasks-per-node=1 --cpus-per-task=2 ")
    else:
        assert calls.startswith("gcloud compute tpus tpu-vm ssh a pod --worker=all --quiet --command=cd ")
    assert sorted(path.name for path in (checkout / "out").iterdir()) == ["curve.csv", "model", "report.json"]
    assert (checkout / "out/model/model.safetensors").stat().st_size > 1000
