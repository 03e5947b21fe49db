"""What the tests run on workers, in a module that a worker can import."""

import os
import signal
import sys
import time
from pathlib import Path

from lemur.core.environment_variables import stage_settings
from lemur.core.shards import Job


def process(state: int, number: int) -> tuple[int, int, int]:
    return number, os.getpid(), state


def own_process(_: str) -> int:
    return os.getpid()


def repeat(state: str, number: int) -> str:
    time.sleep(0.05 * (number % 3 == 0))  # later ones overtake these
    return state * number


def upper(text: str) -> str:
    return text.upper()


def surroundings(_: int) -> tuple[str, dict[str, str]]:
    return os.getcwd(), stage_settings(os.environ)


def libraries(_: int) -> set[str]:
    """Libraries that read their settings when they are imported."""
    return {name for name in ("numpy", "jax", "tokenizers", "pandas") if name in sys.modules}


def fail(number: int) -> int:
    if number == 5:
        raise ValueError(f"number {number} is odd")
    if number == -5:
        raise SystemExit("params.yaml: no such key")
    if number == 55:
        raise TimeoutError("the call's own")
    return number


def write(job: Job) -> str:
    for role, path in job.outputs.items():
        path.write_text(f"{role} of {job.name}\n" * 1000, encoding="utf-8")
    return job.name


def die_once(job: Job) -> str:
    """The first process that gets shard-3 ends in the middle of its first output."""
    died = job.inputs[0]
    if job.name == "shard-3" and not died.exists():
        died.touch()
        next(iter(job.outputs.values())).write_text("half", encoding="utf-8")
        os.kill(os.getpid(), signal.SIGKILL)
    return write(job)


def die(_: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def slow_or_fail(job: Job) -> None:
    """shard-0 fails while the others are still writing."""
    if job.name == "shard-0":
        time.sleep(0.5)
        raise RuntimeError("the disk is full")
    for path in job.outputs.values():
        with path.open("w", encoding="utf-8") as file:
            for _ in range(20):
                file.write("line\n")
                time.sleep(0.1)


def wait(path: Path) -> bool:
    while not path.exists():
        time.sleep(0.05)
    return True
