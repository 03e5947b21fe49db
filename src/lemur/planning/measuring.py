"""What a stage takes in a fresh process: `python -m lemur.planning.measuring STAGE FOLDER` prints it as JSON."""

import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lemur.core.files import ROOT
from lemur.core.records import Record, read_json, write_json
from lemur.core.shards import scratch_of
from lemur.planning.corpus_stages import call, outputs

BLOCKS = "blocks.json"
PROCESSES = 2  # workers, so that the first process's time comes apart from theirs


def measure(stage: str, folder: Path, blocks: Mapping[str, Any]) -> Record:
    """Run a stage on paths in `folder` with `PROCESSES` workers.

    Returns processor seconds of its first process (`driver_seconds`) and of its workers together (`workers_seconds`),
    the most memory of either, and how much was read and written, the outputs have and lay in its scratch folders at
    most, unfinished shards excepted; all in MB, 10^6 bytes. A worker's memory is never below what the first process
    had when it started it, because the system counts so.
    """
    write_json(folder / BLOCKS, blocks)
    for path in outputs(stage, folder):
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    # Threads of libraries would hide in the first process.
    environment = {**os.environ, "LEMUR_WORKERS": str(PROCESSES), "PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, "-m", "lemur.planning.measuring", stage, str(folder)]
    folders = list(map(scratch_of, outputs(stage, folder)))
    with (folder / "stderr").open("w+", encoding="utf-8") as errors:
        with subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=errors, encoding="utf-8"
        ) as process:
            scratch = 0
            while process.poll() is None:
                scratch = max(scratch, sum(map(_shared_scratch, folders)))
                time.sleep(0.02)
            assert process.stdout
            printed = process.stdout.read()
        if process.returncode:
            errors.seek(0)
            raise RuntimeError(f"{stage} failed in the calibration:\n{errors.read()}")
    result: Record = json.loads(printed.splitlines()[-1])
    return {**result, "scratch_mb": scratch / 1e6}


def size(path: Path) -> int:
    """Bytes of a file or of a folder's files. Those that vanish meanwhile count nothing."""
    files = [Path(folder, name) for folder, _, names in os.walk(path) for name in names]
    total = 0
    for file in files if path.is_dir() else [path]:
        try:
            total += file.stat().st_size
        except FileNotFoundError:
            continue
    return total


def _shared_scratch(folder: Path) -> int:
    """Without the folders in which `map_shards` keeps a shard until it is complete."""
    inside = folder.iterdir() if folder.is_dir() else ()
    return sum(size(path) for path in inside if not path.name.startswith("shard-"))


def _run(stage: str, folder: Path) -> Record:
    call(stage, folder, read_json(folder / BLOCKS))
    driver, workers = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    moved = dict(line.split(": ") for line in Path("/proc/self/io").read_text(encoding="utf-8").splitlines())
    return {
        "driver_seconds": driver.ru_utime + driver.ru_stime,
        "workers_seconds": workers.ru_utime + workers.ru_stime,
        "driver_mb": 1024 * _peak_kib() / 1e6,
        "worker_mb": 1024 * workers.ru_maxrss / 1e6,
        # With what its ended workers moved. Without what was read through mapped memory.
        "read_mb": int(moved["rchar"]) / 1e6,
        "written_mb": int(moved["wchar"]) / 1e6,
        "disk_mb": sum(map(size, outputs(stage, folder))) / 1e6,
    }


def _peak_kib() -> int:
    """Not `ru_maxrss`, which starts at what the process that started this one had."""
    return int(Path("/proc/self/status").read_text(encoding="utf-8").split("VmHWM:")[1].split()[0])


if __name__ == "__main__":
    print(json.dumps(_run(sys.argv[1], Path(sys.argv[2]))))
