"""The list of what reaches jobs, and that Python starts again where it has read something that does not."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lemur.core.environment_variables import cleaned, stage_settings
from tests.tools import ROOT


@pytest.mark.parametrize(
    "name",
    [
        "PYTHONSTARTUP",
        "PYTHONHOME",
        "PYTHONIOENCODING",
        "PIP_TARGET",
        "PIP_PREFIX",
        "UV_SYSTEM_PYTHON",
        "UV_TARGET",
        "JAX_PLATFORMS",
        "JAX_DEFAULT_MATMUL_PRECISION",
        "XLA_FLAGS",
        "OMP_NUM_THREADS",
        "MKL_NUM_THREADS",
        "GIT_DIR",
    ],
)
def test_dropped(name: str) -> None:
    assert name not in cleaned({name: "x"})


@pytest.mark.parametrize(
    "name",
    [
        "PATH",
        "LANG",
        "TZ",
        "http_proxy",
        "SSL_CERT_FILE",
        "REQUESTS_CA_BUNDLE",
        "PIP_INDEX_URL",
        "UV_INDEX_URL",
        "CUDA_VISIBLE_DEVICES",
        "SLURM_NTASKS",
        "HF_TOKEN",
        "AWS_PROFILE",
        "LEMUR_MIRROR",
        "MLFLOW_TRACKING_URI",
        "JAX_COMPILATION_CACHE_DIR",
        "XLA_PYTHON_CLIENT_PREALLOCATE",
        "GIT_AUTHOR_NAME",
        "DVC_STAGE",
        "TMPDIR",
    ],
)
def test_kept(name: str) -> None:
    assert cleaned({name: "x"})[name] == "x"


def test_values_that_are_set() -> None:
    clean = cleaned({"PYTHONUTF8": "0", "PIP_USER": "1", "NO_PROXY": "a,localhost", "PYTHONPATH": "/other:src"})
    assert clean["PYTHONUTF8"] == "1" and clean["PIP_USER"] == "0"
    assert clean["no_proxy"] == clean["NO_PROXY"] == "a,localhost,127.0.0.1,::1"
    assert clean["PYTHONPATH"] == str(ROOT / "src")


def test_home(tmp_path: Path) -> None:
    assert "XDG_CACHE_HOME" not in cleaned({"HOME": str(tmp_path)})
    for home in ({}, {"HOME": ""}, {"HOME": "/dev/null/home"}):
        assert cleaned(home)["HOME"] == str(ROOT / ".lemur/home")
    assert cleaned({"HOME": "/proc"})["XDG_CACHE_HOME"] == str(ROOT / ".lemur/home/.cache")
    assert cleaned({"HOME": "/proc"})["HOME"] == "/proc", "what is in it can still be read"


@pytest.mark.parametrize("settings", [{}, {"PYTHONPATH": "{other}:src"}, {"PYTHONOPTIMIZE": "2"}, {"PYTHONUTF8": "0"}])
def test_python_starts_again_only_where_it_must(settings: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text("raise ImportError('another json')", encoding="utf-8")
    probe = "import os, sys, lemur.core.environment_variables as e; e.enter(); import json; print(sys.flags.optimize)"
    (tmp_path / "probe.py").write_text(f"print('started', flush=True)\n{probe}\n", encoding="utf-8")
    variables = {"LC_ALL": "C.UTF-8", "PYTHONPATH": "src"} | {k: v.format(other=tmp_path) for k, v in settings.items()}
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), **variables}
    command = [sys.executable, "-P", str(tmp_path / "probe.py")]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, encoding="utf-8")
    again = bool(settings) and "PYTHONUTF8" not in settings
    assert done.stdout.splitlines() == ["started", *["started"] * again, "0"], done.stderr


def test_a_stages_settings_are_what_decides_results_without_secrets() -> None:
    settings = {"OMP_NUM_THREADS": "1", "XLA_FLAGS": "x", "PYTHONUTF8": "1", "LEMUR_MIRROR": "/data", "NPROC": "1"}
    machine = {"PATH": "/bin", "HOME": "/root", "TMPDIR": "/tmp", "SLURM_JOB_ID": "1", "HTTP_PROXY": "http://proxy"}
    secrets = {"LEMUR_SERVER_KEY": "s", "LEMUR_TEACHER_KEY": "s", "PIP_INDEX_URL": "https://u:p@host", "UV_INDEX": "x"}
    assert stage_settings({**settings, **machine, **secrets}) == settings
