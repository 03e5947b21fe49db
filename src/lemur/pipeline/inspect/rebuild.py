"""A build from scratch with Snakemake: a temporary clone of a commit, with an empty cache."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

from lemur.core.workers import end_with_parent

# Variables that could bring bytes of this checkout or of another build into the clone.
REMOVED_VARIABLES = (
    "PYTHONPATH",
    "LEMUR_CHECKPOINTS",
    "LEMUR_ANSWERS",
    "MLFLOW_TRACKING_URI",
    "GIT_DIR",
    "GIT_WORK_TREE",
    "DVC_ROOT",
    "DVCLIVE_OPEN",
)
FINISHED = re.compile(r"Finished jobid: \d+ \(Rule: (?!all\))(.+)\)")
PLANNED = re.compile(r"total +(\d+)")


def clone(root: Path, folder: Path) -> None:
    """Clone HEAD of `root` into `folder`, with an empty cache of its own and without a dvc.lock."""
    subprocess.run(["git", "clone", "-q", str(root), str(folder)], check=True)
    (folder / ".dvc/config.local").write_text("[cache]\n    dir = cache\n", encoding="utf-8")
    (folder / "dvc.lock").unlink(missing_ok=True)


def build(folder: Path, targets: list[str], cores: str) -> None:
    """Run Snakemake for `targets` (all stages if empty) and print each stage when it is done.

    Raises `SystemExit` with the end of the log if the build fails.
    """
    memory = psutil.virtual_memory().total >> 20
    # Targets come first: after `--resources` they would be parsed as more resources.
    command = [sys.executable, "-m", "snakemake", *targets, "--cores", cores, "--resources", f"mem_mb={memory}"]
    environment = {name: value for name, value in os.environ.items() if name not in REMOVED_VARIABLES}
    start, done, total, output = time.monotonic(), 0, 0, []
    running = subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        preexec_fn=end_with_parent,
        process_group=0,
        encoding="utf-8",
        errors="replace",
    )
    try:
        for line in running.stdout or ():
            output.append(line)
            if planned := PLANNED.match(line):
                total = int(planned[1]) - (not targets)
            if finished := FINISHED.match(line):
                done += 1
                print(f"[{done:2}/{total}] {finished[1]}, {time.monotonic() - start:.0f} s", flush=True)
        running.wait()
    except KeyboardInterrupt:
        os.killpg(running.pid, signal.SIGINT)
        running.wait()
        raise
    if running.returncode:
        logs = sorted((folder / "logs").glob("*.log"), key=lambda path: path.stat().st_mtime)
        last = logs[-1].read_text(encoding="utf-8", errors="replace").splitlines()[-15:] if logs else []
        raise SystemExit(
            "".join(output[-25:]) + "\n".join(last) + f"\nThe build in {folder} failed; its logs are in {folder}/logs"
        )
