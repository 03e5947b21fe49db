"""Compares HumanEval's 164 canonical programs in the sandbox with bare subprocesses that start the same way.

    python benchmarks/sandbox.py [--repeats 5] [--humaneval data/raw/humaneval]

Both run the same interpreter with the same flags and `judge.py`, on two cores, through the same pipes: the bare ones
three at once, the others as many as `sandbox.run_python_programs` chooses. The bare ones have no namespaces, limits,
filter, or separate user. They take turns; the fastest rounds give the ratio.
Exits with status 1 above twice the bare time, or if a verdict is not `passed`.
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
from lemur.benchmark_items import humaneval  # noqa: E402
from lemur.sandbox import backend, judge  # noqa: E402
from lemur.sandbox.process import memory_file  # noqa: E402
from lemur.sources.fetched import load  # noqa: E402
from lemur.sources.reading.rows import readable  # noqa: E402

JUDGE = Path(judge.__file__).read_text(encoding="utf-8")


def bare(program: str) -> bool:
    """Run what `sandbox.run_python` starts, but without the sandbox."""
    command = Path(getattr(sys, "_base_executable", sys.executable)).resolve()
    input_fd = memory_file(f"0\n{program}".encode())
    read_fd, write_fd = os.pipe()
    try:
        done = subprocess.run(
            [str(command), "-S", "-s", "-P", "-B", "-c", JUDGE],
            env={
                "PATH": "/usr/bin:/bin",
                "HOME": "/tmp",
                "LANG": "C.UTF-8",
                "PYTHONHASHSEED": "0",
                "LD_LIBRARY_PATH": str(Path(sys.base_prefix).resolve() / "lib"),
                backend.PRIVATE_IN: str(input_fd),
                backend.PRIVATE_OUT: str(write_fd),
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            cwd="/tmp",
            pass_fds=[input_fd, write_fd],
            start_new_session=True,
        )
        return done.returncode == 0 and os.read(read_fd, 65536).startswith(b"0 passed")
    finally:
        for fd in (input_fd, read_fd, write_fd):
            os.close(fd)


def all_bare(programs: list[str]) -> int:
    with ThreadPoolExecutor(WORKERS + 1) as pool:
        return sum(pool.map(bare, programs))


def all_sandboxed(programs: list[str]) -> int:
    results = sandbox.run_python_programs(programs, timeout_s=10, memory_mb=512)
    return sum(result.status == "passed" for result in results)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--humaneval", type=Path, default=ROOT / "data/raw/humaneval", help="a fetched source")
    arguments = parser.parse_args()
    problems = [problem for file in load(arguments.humaneval).files for problem in readable(humaneval.read(file))]
    programs = [problem.program(problem.canonical_solution) for problem in problems]
    print(f"{len(programs)} programs, {WORKERS} workers, {sandbox.layers().mechanism}")
    fastest = {all_bare: float("inf"), all_sandboxed: float("inf")}
    cpu = dict(fastest)
    for _ in range(arguments.repeats):
        for method in fastest:
            start, before = time.perf_counter(), sum(os.times()[:4])
            passed = method(programs)
            seconds, cpu_seconds = time.perf_counter() - start, sum(os.times()[:4]) - before
            if passed != len(programs):
                print(f"{method.__name__}: only {passed} passed")
                return 1
            fastest[method], cpu[method] = min(fastest[method], seconds), min(cpu[method], cpu_seconds)
    bare_time, sandboxed_time = fastest.values()
    bare_cpu, sandboxed_cpu = cpu.values()
    ms_per_program = 1000 * WORKERS / len(programs)
    ratio = sandboxed_time / bare_time
    print(
        f"bare {bare_time:.2f} s, in the sandbox {sandboxed_time:.2f} s: {ratio:.2f} times (bound {BOUND}); "
        f"{ms_per_program * bare_time:.0f} and {ms_per_program * sandboxed_time:.0f} ms per program"
    )
    print(f"CPU time {bare_cpu:.2f} s and {sandboxed_cpu:.2f} s: {sandboxed_cpu / bare_cpu:.2f} times")
    return int(sandboxed_time > BOUND * bare_time)


if __name__ == "__main__":
    sys.exit(main())
