"""Times the pipeline itself: a build from nothing, a build with nothing to do, the first command after a change.

    python benchmarks/pipeline.py [--scale demo|tiny] [--cores 2]

Clones this checkout's HEAD into a temporary folder with an empty home, so that no cache helps, and prints a table. The
build with nothing to do is compared with `dvc status` plus `snakemake -n` on an empty Snakefile in the same run.
"""

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
REPEATS = 5


def seconds(root: Path, *command: str) -> float:
    start = time.perf_counter()
    subprocess.run(command, cwd=root, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start


def median(root: Path, *command: str) -> float:
    return statistics.median(seconds(root, *command) for _ in range(REPEATS))


def first_command(root: Path, cores: str) -> float:
    """Seconds from `snakemake` to the first stage's own command, after a parameter of MMLU has changed."""
    params = root / "params.yaml"
    params.write_text(
        re.sub(r"(\nmmlu:\n(?:  .*\n)*?  seed: )\d+", r"\g<1>77", params.read_text(encoding="utf-8")), encoding="utf-8"
    )
    start = time.perf_counter()
    build = subprocess.Popen(
        ["snakemake", "--cores", cores], cwd=root, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    logs = {log: log.stat().st_mtime_ns for log in (root / "logs").glob("*.log")}
    while True:
        status = build.poll()
        for log in (root / "logs").glob("*.log"):
            if log.stat().st_mtime_ns != logs.get(log) and "\n> " in log.read_text(encoding="utf-8"):
                elapsed = time.perf_counter() - start
                build.terminate()
                build.wait()
                return elapsed
        if status is not None:
            raise SystemExit(f"snakemake exited with status {status} before a stage started")
        time.sleep(0.01)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", default="tiny")
    parser.add_argument("--cores", default="2")
    arguments = parser.parse_args()
    os.environ["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    with tempfile.TemporaryDirectory() as folder:
        os.environ["HOME"] = folder
        root, empty = Path(folder) / "clone", Path(folder) / "empty"
        subprocess.run(["git", "clone", "-q", str(ROOT), str(root)], check=True)
        empty.mkdir()
        (empty / "Snakefile").write_text("", encoding="utf-8")
        if arguments.scale != "demo":
            subprocess.run(["lemur", "scale", arguments.scale], cwd=root, check=True, stdout=subprocess.DEVNULL)
        build = seconds(root, "snakemake", "--cores", arguments.cores)
        noop = median(root, "snakemake", "--cores", arguments.cores)
        status = median(root, "dvc", "status", "-q")
        bare = median(empty, "snakemake", "-n")
        first = first_command(root, arguments.cores)
        print("| measurement | seconds | ratio | bound |\n| --- | --- | --- | --- |")
        print(f"| {arguments.scale} build from nothing, {arguments.cores} cores | {build:.1f} | | demo 600, tiny 120 |")
        print(f"| `snakemake --cores`, nothing to do | {noop:.2f} | {noop / (status + bare):.2f} | 1.5 |")
        print(f"| `dvc status` / `snakemake -n` on an empty Snakefile | {status:.2f} / {bare:.2f} | | |")
        print(f"| from `snakemake` to the first running command | {first:.2f} | | 3 |")


if __name__ == "__main__":
    main()
