"""Builds that are changed, killed, forced or wait, with the real tools on a toy project. Two minutes."""

import json
import signal
import subprocess
import threading
import time
from pathlib import Path

import psutil
import pytest
from bs4 import BeautifulSoup

from lemur.pipeline.build.snakemake_report import RESULTS
from tests.reporting.test_report import make

from .conftest import Project

pytestmark = pytest.mark.exact
ALL = {"first", "fork_left", "fork_right", "last"}
COPY = """import shutil
from pathlib import Path

from lemur.core.params import StageParams


class Params(StageParams):
    value: int


def last(params: Params, source: Path, *, out: Path) -> None:
    shutil.copytree(source, out)
"""


def test_a_changed_parameter_reruns_the_stages_it_affects(project: Project) -> None:
    project.run("dvc", "repro", "-q")
    assert project.planned() == set()
    project.set("first: {value: 1}", "first: {value: 9}")
    assert project.planned() == ALL
    project.run("snakemake", "--cores", "2")
    assert (project.root / "data/first.txt").read_text(encoding="utf-8") == "hello 9"
    # The fork reads only five characters and writes the same as before, so DVC stops there.
    assert "> PYTHONPATH" in (project.root / "logs/fork_left.log").read_text(encoding="utf-8")
    assert "> PYTHONPATH" not in (project.root / "logs/last.log").read_text(encoding="utf-8")
    project.set("left: {value: 2}", "left: {value: 7}")
    assert project.planned() == {"fork_left", "last"}
    project.run("snakemake", "--cores", "2")
    assert (project.root / "data/fork_left/text").read_text(encoding="utf-8") == "hello 7"
    project.set("left: {value: 7}", "left: {value: 2}")
    project.run("snakemake", "--cores", "2")
    assert "cached - skipping run" in (project.root / "logs/fork_left.log").read_text(encoding="utf-8")


def test_a_clone_plans_nothing_after_pull_and_detects_changes(project: Project, tmp_path: Path) -> None:
    project.run("snakemake", "--cores", "2")
    project.run("dvc", "push", "-q")
    project.commit()
    clone = project.clone(tmp_path / "clone")
    clone.run("dvc", "pull", "-q")
    assert clone.planned() == set()
    clone.set("last: {value: 4}", "last: {value: 5}")
    assert clone.planned() == {"last"}


def test_a_forced_stage_runs_and_its_followers_are_planned(project: Project) -> None:
    project.run("dvc", "repro", "-q")
    assert project.planned("--forcerun", "fork_left") == {"fork_left", "last"}
    assert project.planned("--forceall") == ALL
    project.run("snakemake", "--cores", "2", "--forcerun", "fork_left")
    assert "> PYTHONPATH=src python" in (project.root / "logs/fork_left.log").read_text(encoding="utf-8")


def test_targets(project: Project) -> None:
    assert project.planned("data/fork_left") == {"first", "fork_left"}
    assert project.planned("--until", "fork_right") == {"first", "fork_right"}
    rules = project.run("snakemake", "--list").split()
    assert set(rules) >= ALL
    assert "fork_left" in project.run("snakemake", "--dag")


def test_snakemake_report_shows_every_table_and_picture_of_the_report(project: Project, tmp_path: Path) -> None:
    for name in ("stages", "training", "eval"):
        (tmp_path / name).mkdir()
    summary = make(tmp_path, project.root / "real_summary")
    (project.root / "src/lemur/toy/last.py").write_text(COPY, encoding="utf-8")
    for _ in ("cmd", "deps or outs"):
        project.set("data/fork_left/", "real_summary/", "dvc.yaml")
        project.set("data/last.txt", "reports/summary/", "dvc.yaml")
    project.run("snakemake", "--cores", "2")
    output = project.run("snakemake", "--report", "page.html")
    assert "downloading" not in output  # Snakemake's package has every asset
    page = (project.root / "page.html").read_text(encoding="utf-8")
    shown = json.JSONDecoder().raw_decode(page.split('<script id="results">\n    var results = ', 1)[1])[0]
    files = {path.name for path in summary.iterdir() if path.suffix in (".csv", ".png", ".html")}
    losses = {name for name in files if name.startswith(("training_", "held_out_"))}  # for `dvc plots`
    assert set(shown) == {f"reports/summary/{name}" for name in files - losses} and len(losses) == 6
    captions = {}
    for path, result in shown.items():
        name = Path(path).stem
        assert result["labels"]["Result"] == RESULTS[name][0]
        captions[name] = BeautifulSoup(result["caption"], "html.parser").get_text().strip()
    assert all(captions.values())
    assert len(set(captions.values())) == len(RESULTS)
    assert "instruction sources" in captions["table1"]
    assert project.planned() == set()


def test_a_killed_build_leaves_no_process_and_completes_when_run_again(project: Project) -> None:
    stage = project.root / "src/lemur/toy/fork.py"
    stage.write_text(
        "import time\n" + stage.read_text(encoding="utf-8").replace("    text =", "    time.sleep(3)\n    text =", 1),
        encoding="utf-8",
    )
    build = subprocess.Popen(
        ["snakemake", "--cores", "2"],
        cwd=project.root,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    log = project.root / "logs/fork_left.log"
    deadline = time.monotonic() + 60
    while (
        not (log.exists() and "lemur run toy.fork" in log.read_text(encoding="utf-8")) and time.monotonic() < deadline
    ):
        time.sleep(0.05)
    build.send_signal(signal.SIGKILL)
    build.wait()
    time.sleep(1.5)
    assert not [process for process in psutil.process_iter() if _works_in(process, project.root)]
    project.run("snakemake", "--cores", "2")
    assert (project.root / "data/last.txt").read_text(encoding="utf-8") == "hello 4"
    assert project.planned() == set()


def test_parsing_waits_for_another_build_and_names_the_holder(project: Project) -> None:
    project.run("dvc", "repro", "-q")
    other = subprocess.Popen(["python3", "-c", "import time; time.sleep(60)", "repro", "of", "somebody"])
    held = {"write": {str(project.root / "data/first.txt"): {"pid": other.pid, "cmd": "dvc repro of somebody"}}}
    lock = project.root / ".dvc/tmp/rwlock"
    lock.write_text(json.dumps(held), encoding="utf-8")
    before_release = []

    def release() -> None:
        before_release.append(lock.read_text(encoding="utf-8"))
        lock.write_text("{}", encoding="utf-8")

    threading.Timer(4, release).start()
    output = project.run("snakemake", "-n")
    assert "dvc repro of somebody" in before_release[0]
    other.kill()
    other.wait()
    assert "Waiting for another build" in output
    assert "dvc repro of somebody" in output
    assert "Nothing to be done" in output


def test_a_zombie_and_a_reused_process_id_hold_no_lock(project: Project) -> None:
    project.run("dvc", "repro", "-q")
    zombie = subprocess.Popen(["true"])
    while psutil.Process(zombie.pid).status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.01)
    other = subprocess.Popen(["sleep", "60"])
    zombie_entry, reused_entry = ({"pid": process.pid, "cmd": "dvc repro"} for process in (zombie, other))
    first, last = (str(project.root / path) for path in ("data/first.txt", "data/last.txt"))
    lock = project.root / ".dvc/tmp/rwlock"
    lock.write_text(json.dumps({"write": {first: zombie_entry, last: reused_entry}, "read": {}}), encoding="utf-8")
    assert "Nothing to be done" in project.run("snakemake", "-n")
    assert "dvc repro" not in lock.read_text(encoding="utf-8")
    # Readers block only the stage that writes the file they read.
    lock.write_text(json.dumps({"read": {last: [zombie_entry, reused_entry]}}), encoding="utf-8")
    project.run("snakemake", "--cores", "2", "--forcerun", "last")
    for process in (zombie, other):
        process.kill()
        process.wait()


def _works_in(process: psutil.Process, folder: Path) -> bool:
    try:
        return Path(process.cwd()) == folder
    except (psutil.Error, FileNotFoundError):
        return False
