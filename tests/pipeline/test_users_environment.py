"""What users' shells set does not reach set-up, builds or stages: the real tools on the toy project."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.tools import ROOT, Project

# Writes what of the variables below it has, and imports numpy.
PROBE = """import os
from pathlib import Path

import numpy

from lemur.core.params import StageParams


class Params(StageParams):
    value: int


def first(params: Params, source: Path, *, out: Path) -> None:
    lines = [f"{{name}}={{os.environ[name]}}" for name in {names} if name in os.environ]
    out.write_text("\\n".join(lines), encoding="utf-8")
"""
VARIABLES = {
    "PYTHONSTARTUP": "/nonexistent/startup.py",
    "PYTHONOPTIMIZE": "2",
    "PYTHONWARNINGS": "error",
    "JAX_PLATFORMS": "tpu",
    "JAX_ENABLE_X64": "1",
    "XLA_FLAGS": "--xla_nonsense",
    "OPENBLAS_CORETYPE": "Nehalem",
    "MPLBACKEND": "module://nonexistent",
    "PIP_USER": "1",
    "PIP_TARGET": "/nonexistent/target",
    "GIT_DIR": "/nonexistent/git",
    "CDPATH": "/",
    "NPROC": "7",
}


@pytest.fixture
def user(project: Project, tmp_path: Path) -> Project:
    """The toy project, used from a shell with everything that a shell may have."""
    (project.root / "src/lemur/toy/first.py").write_text(PROBE.format(names=list(VARIABLES)), encoding="utf-8")
    project.lemur("dependencies", "--write")
    project.commit()
    (tmp_path / "other/numpy").mkdir(parents=True)
    (tmp_path / "other/numpy/__init__.py").write_text("raise ImportError('another numpy')", encoding="utf-8")
    (tmp_path / "with a space").mkdir()
    project.environment.update(VARIABLES, TMPDIR=str(tmp_path / "with a space"), OMP_NUM_THREADS="many")
    return project


@pytest.mark.exact
def test_none_of_it_reaches_a_stage(user: Project, tmp_path: Path) -> None:
    # DVC itself, called by hand, believes the one and fails at its libraries' warnings with the other.
    del user.environment["GIT_DIR"], user.environment["PYTHONWARNINGS"]
    for command in (["snakemake", "--cores", "2"], ["dvc", "repro", "-q", "--force"]):
        user.run("env", f"PYTHONPATH={tmp_path}/other", *command)
        assert (user.root / "data/first.txt").read_text(encoding="utf-8") == "PIP_USER=0", command
        assert (user.root / "data/last.txt").exists()


@pytest.mark.exact
@pytest.mark.parametrize("home", ["missing", "unset", "read-only"])
def test_a_home_is_not_needed(project: Project, home: str, tmp_path: Path) -> None:
    folder = {"missing": "/dev/null/home", "unset": "", "read-only": "/proc"}[home]
    unset = ["-u", "HOME"] if home == "unset" else [f"HOME={folder}"]
    if home == "missing":
        assert "Not a directory: '/dev/null/home'" in project.run("env", *unset, "snakemake", "-n", ok=False)
    # As `make reproduce` calls it; by itself it does not get as far as the Snakefile.
    settings = [
        f"{name}={value}" for name, value in made(tmp_path, *unset).items() if name in ("HOME", "XDG_CACHE_HOME")
    ]
    project.run("env", *settings, "snakemake", "--cores", "2")
    assert (project.root / "data/last.txt").read_text(encoding="utf-8") == "hello 4"
    assert "params.yaml: " in project.run("env", *unset, "PYTHONPATH=src", "python", "-m", "lemur", "check")


def made(tmp_path: Path, *settings: str) -> dict[str, str]:
    """The environment of the Makefile's commands."""
    makefile = tmp_path / "show.mk"
    makefile.write_text("include Makefile\nshow:\n\t@env -0\n", encoding="utf-8")
    command = ["env", *settings, "make", "-s", "-C", str(ROOT), "-f", str(makefile), "show"]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=True)
    return dict(entry.split("=", 1) for entry in done.stdout.split("\0") if "=" in entry)


@pytest.mark.skipif(not shutil.which("make"), reason="needs make")
def test_make_gives_set_up_the_same_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from lemur.core.environment_variables import cleaned

    for name, value in {
        **VARIABLES,
        "PYTHONPATH": "/other",
        "no_proxy": "intranet",
        "PIP_INDEX_URL": "http://i",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("NO_PROXY", raising=False)  # `make test` has set it
    environment = made(tmp_path)
    assert not (VARIABLES.keys() - {"PIP_USER"}) & environment.keys() and "PYTHONPATH" not in environment
    assert environment["PIP_USER"] == "0" and environment["PYTHONUTF8"] == "1"
    assert environment["PIP_INDEX_URL"] == "http://i"
    for name in ("no_proxy", "NO_PROXY"):
        hosts = cleaned(os.environ)[name].split(",")
        assert hosts == ["intranet", "127.0.0.1", "localhost", "::1"]
        assert [host for host in environment[name].split(",") if host] == hosts
    home = made(tmp_path, "HOME=/dev/null/home")
    assert (home["HOME"], home["XDG_CACHE_HOME"]) == (f"{ROOT}/.lemur/home", f"{ROOT}/.lemur/home/.cache")
    home = made(tmp_path, "HOME=/proc")
    assert (home["HOME"], home["XDG_CACHE_HOME"]) == ("/proc", f"{ROOT}/.lemur/home/.cache")
