"""The same DAG with each job in a separate Snakemake, started by a submit command. 2 minutes and a tiny build."""

import os
import socket
from pathlib import Path

import pytest

from tests.exact.conftest import executed_rules, from_scratch, locked_hashes, variables
from tests.processes import running_in, until
from tests.tools import Project

pytestmark = pytest.mark.exact

# Like a batch system: takes a script, prints an id, and runs the script later, detached from whoever submitted it.
SUBMIT = '#!/bin/sh\nsetsid sh "$1" </dev/null >>"$0.out" 2>&1 &\necho $!\n'
QUICK = ("--seconds-between-status-checks", "1", "--latency-wait", "5")


def submit_command(folder: Path, *options: str) -> list[str]:
    """The Snakemake command that submits its jobs."""
    submit = folder / "submit"
    submit.write_text(SUBMIT, encoding="utf-8")
    submit.chmod(0o755)
    return [
        *("snakemake", "--executor", "cluster-generic", "--cluster-generic-submit-cmd", str(submit)),
        *("--jobs", "2", *QUICK, *options),
    ]


def test_same_bytes_through_a_submit_command(project: Project, tmp_path: Path) -> None:
    output = project.run(*submit_command(tmp_path))
    assert "Submitted job" in output
    assert "\n4 stages: 4 ran.\n" in output
    assert "4 ran" not in (tmp_path / "submit.out").read_text(encoding="utf-8"), "each job is a separate Snakemake"
    remote = locked_hashes(project)
    assert (project.root / "data/last.txt").read_text(encoding="utf-8") == "hello 4"
    assert project.planned() == set()
    other = project.clone(tmp_path / "other")
    other.run("snakemake", "--cores", "2")
    assert locked_hashes(other) == remote
    until(lambda: not running_in(project.root), seconds=20)


@pytest.mark.timeout(1500)
def test_tiny_build_through_a_submit_command_gives_the_same_bytes(built: Project, tmp_path: Path) -> None:
    project = Project(tmp_path / "lemur", variables(tmp_path))
    from_scratch(project)
    project.run(*submit_command(tmp_path))
    assert locked_hashes(project) == locked_hashes(built)
    assert project.planned() == set()


def test_force_reaches_the_job(project: Project, tmp_path: Path) -> None:
    project.run("snakemake", "--cores", "2")
    assert executed_rules(project, *submit_command(tmp_path, "--forcerun", "fork_left")) == {"fork_left"}
    # The follower was planned but not forced, and its input came out the same.
    assert (project.root / "logs/last.log").exists()
    assert executed_rules(project, *submit_command(tmp_path)) == set()
    assert executed_rules(project, *submit_command(tmp_path, "--forceall")) == {
        "first",
        "fork_left",
        "fork_right",
        "last",
    }
    # Without force, what is planned again comes from the cache.
    project.set("left: {value: 2}", "left: {value: 7}")
    assert executed_rules(project, *submit_command(tmp_path)) == {"fork_left", "last"}
    project.set("left: {value: 7}", "left: {value: 2}")
    assert executed_rules(project, *submit_command(tmp_path)) == set()
    assert project.planned() == set()


def test_keep_going(project: Project, tmp_path: Path) -> None:
    project.set("left: {value: 2}", "left: {value: -1}")
    output = project.run(*submit_command(tmp_path, "--keep-going"), ok=False)
    assert "Error in rule fork_left" in output
    assert "ValueError: value is below zero" in output
    assert (project.root / "data/fork_right/text").read_text(encoding="utf-8") == "hello 3"
    assert not (project.root / "data/last.txt").exists()


def test_the_launcher_starts_a_stage_with_several_processes(project: Project, tmp_path: Path) -> None:
    """Two processes on this machine, started as srun would: the first writes, and both are part of the build."""
    launcher = tmp_path / "launcher"
    launcher.write_text(
        '#!/bin/sh\nLEMUR_PROCESS=0 "$@" &\none=$!\nLEMUR_PROCESS=1 "$@" && wait $one\n', encoding="utf-8"
    )
    launcher.chmod(0o755)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    project.environment = {
        "LEMUR_LAUNCH": str(launcher),
        "LEMUR_COORDINATOR": f"127.0.0.1:{port}",
        "LEMUR_PROCESSES": "2",
    }
    project.set("class Params", "DISTRIBUTED = True\n\n\nclass Params", "src/lemur/toy/last.py")
    project.set(
        "    text =",
        "    import jax; open(f'seen_{jax.process_index()}', 'w').write(str(jax.process_count()))\n    text =",
        "src/lemur/toy/last.py",
    )
    project.run("snakemake", "--cores", "2")
    assert (project.root / "data/last.txt").read_text(encoding="utf-8") == "hello 4"
    assert [(project.root / f"seen_{index}").read_text(encoding="utf-8") for index in (0, 1)] == ["2", "2"]
    assert project.planned() == set()
    until(lambda: not running_in(project.root), seconds=20)


def test_slurm_profile_requests_the_resources_of_dvc_yaml(project: Project, tmp_path: Path) -> None:
    """Stand-ins for sbatch and scontrol run the job here and record the arguments that Slurm would get. A real Slurm:
    tests/cluster."""
    tools = tmp_path / "tools"
    tools.mkdir()
    stand_ins = {
        "sbatch": f'echo "$@" >>{tmp_path}/arguments\nfor script; do :; done\nid=$(date +%s%N)\n'
        f'(sh "$script" >/dev/null 2>&1; echo $? >{tools}/$id) &\necho $id\n',
        "scontrol": "for id; do :; done\n"
        f'case "$(cat {tools}/$id 2>/dev/null)" in 0) state=COMPLETED ;; "") state=RUNNING ;; *) state=FAILED ;; esac\n'
        'echo "JobId=$id JobName=test JobState=$state Reason=None ExitCode=0:0 NodeList=here"\n',
    }
    for name, text in stand_ins.items():
        (tools / name).write_text(f"#!/bin/sh\n{text}", encoding="utf-8")
        (tools / name).chmod(0o755)
    project.environment = {"PATH": f"{tools}:{os.environ['PATH']}"}
    python = Path(project.run("which", "python").strip()).parent
    project.environment = {"PATH": f"{tools}:{python}:{os.environ['PATH']}"}
    project.run("snakemake", "--profile", "profiles/slurm", *QUICK)
    assert (project.root / "data/last.txt").read_text(encoding="utf-8") == "hello 4"
    assert "--job-name=last --nodes=1 --cpus-per-task=2 --mem=600 --time=120 " in (tmp_path / "arguments").read_text(
        encoding="utf-8"
    )
    project.set("right: {value: 3}", "right: {value: -3}")
    output = project.run("snakemake", "--profile", "profiles/slurm", *QUICK, ok=False)
    assert "Error in rule fork_right" in output
