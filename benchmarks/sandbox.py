"""HumanEval's 164 canonical programs in the sandbox, beside bare subprocesses with the same start-up.

    python benchmarks/sandbox.py [--repeats 5] [--humaneval data/raw/humaneval]

Both run the same interpreter with the same flags and `judge.py`, three at once on two cores, fed and read through the
same pipes; the bare ones have no namespaces, limits, filter, or other user. In turns; the ratio is of the fastest
rounds. Exits with status 1 above twice the bare time, or where a verdict is not `passed`.
"""

import argparse
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))
WORKERS = 2
BOUND = 2.0
os.environ["LEMUR_WORKERS"] = str(WORKERS)

from lemur import sandbox  # noqa: E402
from lemur.benchmarks import humaneval  # noqa: E402
from lemur.sandbox import backend, judge  # noqa: E402
from lemur.sandbox.process import memory_file  # noqa: E402
from lemur.sources.fetched import load  # noqa: E402
from lemur.sources.reading.rows import readable  # noqa: E402

JUDGE = Path(judge.__file__).read_text(encoding="utf-8")


def bare(program: str) -> bool:
    """What `sandbox.run_python` starts, without a sandbox around it."""
    command = Path(getattr(sys, "_base_executable", sys.executable)).resolve()
    given = memory_file(f"0\n{program}".encode())
    taken, end = os.pipe()
    try:
        done = subprocess.run(
            [str(command), "-S", "-s", "-P", "-B", "-c", JUDGE],
            env={
                "PATH": "/usr/bin:/bin",
                "HOME": "/tmp",
                "LANG": "C.UTF-8",
                "PYTHONHASHSEED": "0",
                "LD_LIBRARY_PATH": str(Path(sys.base_prefix).resolve() / "lib"),
                backend.PRIVATE_IN: str(given),
                backend.PRIVATE_OUT: str(end),
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            cwd="/tmp",
            pass_fds=[given, end],
            start_new_session=True,
        )
        return done.returncode == 0 and os.read(taken, 65536).startswith(b"0 passed")
    finally:
        for fd in (given, taken, end):
            os.close(fd)


def all_bare(programs: list[str]) -> int:
    with ThreadPoolExecutor(WORKERS + 1) as pool:  # as the sandbox has it
        return sum(pool.map(bare, programs))


def all_sandboxed(programs: list[str]) -> int:
    judged = sandbox.run_python_programs(programs, timeout_s=10, memory_mb=512)
    return sum(result.status == "passed" for result in judged)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--humaneval", type=Path, default=ROOT / "data/raw/humaneval", help="a fetched source")
    arguments = parser.parse_args()
    problems = [one for file in load(arguments.humaneval).files for one in readable(humaneval.read(file))]
    programs = [problem.program(problem.canonical_solution) for problem in problems]
    print(f"{len(programs)} programs, {WORKERS + 1} at once, {WORKERS} workers, {sandbox.layers().mechanism}")
    fastest = {all_bare: float("inf"), all_sandboxed: float("inf")}
    processor = dict(fastest)
    for _ in range(arguments.repeats):
        for way in fastest:
            start, before = time.perf_counter(), sum(os.times()[:4])
            passed = way(programs)
            taken, used = time.perf_counter() - start, sum(os.times()[:4]) - before
            if passed != len(programs):
                print(f"{way.__name__}: only {passed} passed")
                return 1
            fastest[way], processor[way] = min(fastest[way], taken), min(processor[way], used)
    plain, inside = fastest.values()
    busy, busy_inside = processor.values()
    each = 1000 * WORKERS / len(programs)
    print(
        f"bare {plain:.2f} s, in the sandbox {inside:.2f} s: {inside / plain:.2f} times (bound {BOUND}); "
        f"{each * plain:.0f} and {each * inside:.0f} ms a program"
    )
    print(f"processor time {busy:.2f} s and {busy_inside:.2f} s: {busy_inside / busy:.2f} times")
    return int(inside > BOUND * plain)


if __name__ == "__main__":
    sys.exit(main())
