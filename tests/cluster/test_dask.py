"""A stage of this project on both nodes of a real Slurm, by profiles/slurm/dask: one Dask cluster, with TLS."""

import os
import sys
from pathlib import Path

import pytest

from tests.cluster.slurm import Slurm
from tests.corpus.builders import files
from tests.dask_engine.cluster import ROOT
from tests.dask_engine.stage import Stage
from tests.processes import running_in, until

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]

# Runs a command, and copies the cluster's files, which end with it.
WATCHED = """#!/bin/bash
"$@" && cp -r "$(dirname "${LEMUR_ENGINE#dask:}")" "$SEEN"
"""


def test_a_stage_on_two_nodes(slurm: Slurm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed", reason="Dask is not installed: `make dask` installs it")
    stage = Stage(tmp_path, shards=5, shard_bytes=200_000)
    stage.start("local", "local").communicate()
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    monkeypatch.setenv("SEEN", str(tmp_path / "seen"))
    watched = tmp_path / "watched"
    watched.write_text(WATCHED, encoding="utf-8")
    watched.chmod(0o755)
    log = tmp_path / "log"
    slurm.call(
        *("sbatch", "--wait", "--nodes=2", "--cpus-per-task=2", "--mem=3000", f"--output={log}", f"--chdir={ROOT}"),
        *("profiles/slurm/dask", str(watched), *stage.command("dask")),
        ok=None,
    )
    assert files(tmp_path / "dask") == files(tmp_path / "local") != {}, log.read_text("utf-8")
    assert '"address": "tls://' in (tmp_path / "seen" / "scheduler.json").read_text("utf-8")
    assert (tmp_path / "seen" / "workers.log").read_text("utf-8").count("Registered to: ") == 4
    assert not list((ROOT / ".lemur" / "dask").glob("*"))
    until(lambda: not [line for line in running_in(ROOT) if "dask" in line and "pytest" not in line], seconds=30)
