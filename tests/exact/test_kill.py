"""Builds killed with kill -9. About 7 minutes: a tiny build, killed 20 times."""

import os
import random
import re
import shutil
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from lemur.core.files import read_yaml
from lemur.pipeline.build import locks
from tests.exact.conftest import copy, from_scratch, locked_hashes, variables
from tests.leaves import to_yaml, with_value
from tests.processes import Build, command, running_in, until
from tests.tools import ROOT, Project, identity

pytestmark = [pytest.mark.exact, pytest.mark.timeout(1500)]

KILLS = 20


def started_and_recorded(project: Project) -> tuple[set[str], set[str]]:
    """The stages that were started since the logs were removed, and those that DVC has recorded since."""
    started, recorded = set(), set()
    for log in (project.root / "logs").glob("*.log"):
        text = log.read_text(errors="replace", encoding="utf-8")
        if match := re.search(r"^Running stage '(\S+)':$", text, re.MULTILINE):
            started.add(match[1])
            if "Use `dvc push`" in text:
                recorded.add(match[1])
    return started, recorded


def test_build_killed_20_times_completes_with_the_same_bytes(built: Project, tmp_path: Path) -> None:
    seed = int(os.environ.get("LEMUR_KILL_SEED", "1"))
    moments = random.Random(seed)
    project = Project(tmp_path / "lemur", variables(tmp_path))
    from_scratch(project)
    finished: set[str] = set()
    for number in range(KILLS):
        shutil.rmtree(project.root / "logs", ignore_errors=True)
        build = Build(project, "snakemake", "--cores", "2")
        until(lambda build=build: "Execute " in build.output() or build.process.poll() is not None)
        time.sleep(wait := moments.uniform(0, 10))
        assert build.process.poll() is None, f"ended before kill {number + 1}:\n{build.output()}"
        build.kill(group=number % 2 == 0)
        until(lambda: not running_in(tmp_path), seconds=20)
        started, recorded = started_and_recorded(project)
        print(f"seed {seed}, kill {number + 1} after {wait:.1f} s: {len(started)} stages started")
        assert not started & finished
        finished |= recorded
    shutil.rmtree(project.root / "logs")
    project.run("snakemake", "--cores", "2")
    assert not started_and_recorded(project)[0] & finished
    assert finished
    assert locked_hashes(project) == locked_hashes(built)
    assert project.planned() == set()
    assert not list(project.root.rglob("*.partial"))
    until(lambda: not running_in(tmp_path), seconds=20)


def test_a_training_saves_and_ends_with_its_killed_dvc_and_resumes(built: Project, tmp_path: Path) -> None:
    project = copy(built, tmp_path)
    params = project.root / "params.yaml"
    params.write_text(to_yaml(with_value(read_yaml(params), "base_model.steps", 100_000)), encoding="utf-8")
    log = project.root / "logs/base_model.log"

    def log_has(text: str) -> bool:
        return log.exists() and text in log.read_text(errors="replace", encoding="utf-8")

    build = Build(project, "snakemake", "--cores", "2", "models/base")
    until(lambda: log_has("step 50, "))
    [job] = [process for process in psutil.process_iter() if "dvc_job" in (command(process, project.root) or "")]
    job.kill()
    build.finish()
    until(lambda: not running_in(tmp_path), seconds=20)
    saved = re.search(
        r"SIGTERM after step (\d+) of 100000: the state is saved", log.read_text(errors="replace", encoding="utf-8")
    )
    assert saved
    log.unlink()
    build = Build(project, "snakemake", "--cores", "2", "models/base")
    until(lambda: log_has(f"resumed after step {saved[1]} of 100000"))
    build.interrupt()
    build.finish(60)
    until(lambda: not running_in(tmp_path), seconds=20)


def test_a_truncated_dvc_lock_is_repaired(tmp_path: Path) -> None:
    text = (ROOT / "dvc.lock").read_text(encoding="utf-8")
    whole = read_yaml(ROOT / "dvc.lock")["stages"]
    moments = random.Random(1)
    for commit in (False, True):
        folder = tmp_path / str(commit)
        folder.mkdir()
        subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
        if commit:
            (folder / "dvc.lock").write_text(text, encoding="utf-8")
            subprocess.run(["git", "add", "dvc.lock"], cwd=folder, check=True)
            subprocess.run(["git", "commit", "-qm", "."], cwd=folder, env={**os.environ, **identity()}, check=True)
        for size in [0, 1, 20, text.index("    outs:"), *(moments.randrange(len(text)) for _ in range(8))]:
            (folder / "dvc.lock").write_text(text[:size], encoding="utf-8")
            locks.repair_dvc_lock(folder)
            left = read_yaml(folder / "dvc.lock")["stages"] if (folder / "dvc.lock").exists() else {}
            # Truncated at the end of a line, it may be well-formed; DVC then finds its last stage changed.
            assert all(left[name] == whole[name] for name in list(left)[:-1])
            assert len(left) >= (
                text[:size].count("\n    outs:") - 1 if text[size - 1] == "\n" or not commit else len(whole)
            )


def test_half_written_dvc_files_need_no_rerun_and_no_unlocking(project: Project) -> None:
    project.run("snakemake", "--cores", "2")
    lock = project.root / "dvc.lock"
    text, whole = lock.read_text(encoding="utf-8"), read_yaml(lock)
    for size in (0, len(text) // 2, len(text) - 20):
        lock.write_text(text[:size], encoding="utf-8")
        (project.root / ".dvc/tmp/rwlock").write_text('{"write": {"', encoding="utf-8")
        shutil.rmtree(project.root / "logs")
        project.run("snakemake", "--cores", "2")
        assert started_and_recorded(project) == (set(), set())
        assert read_yaml(lock) == whole
    assert project.planned() == set()
    assert "up to date" in project.run("dvc", "status")
