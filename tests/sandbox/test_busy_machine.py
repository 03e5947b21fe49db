"""Waiting for a processor uses up neither a program's processor seconds nor its seconds of sleep."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from lemur import sandbox
from lemur.sandbox import backend, process

MECHANISMS = [name for name in ("bubblewrap-root", "bubblewrap", "landlock") if backend.probe(name) is None]
NEIGHBOURS = 5


@pytest.fixture
def one_crowded_core() -> Iterator[None]:
    """This thread and its sandboxes share one core with programs that never sleep."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    # In one session they would together get one program's share (sched_autogroup).
    neighbours = [
        subprocess.Popen([sys.executable, "-S", "-c", "while True: pass"], start_new_session=True)
        for _ in range(NEIGHBOURS)
    ]
    yield
    for neighbour in neighbours:
        neighbour.kill()
        neighbour.wait()
    os.sched_setaffinity(0, cores)


@pytest.mark.usefixtures("one_crowded_core")
@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_waiting_for_a_processor_is_not_sleep(mechanism: str) -> None:
    program = """
import time
started = time.monotonic()
while time.process_time() < 0.6:
    pass
print(time.monotonic() - started)
"""
    result = sandbox.run_python(program, timeout_s=1, memory_mb=128, wall_s=120, mechanism=mechanism)
    assert result.status == "passed", (result, os.getloadavg())
    assert float(result.stdout) > 1.5, "the core was not crowded"


@pytest.mark.usefixtures("one_crowded_core")
def test_a_sleeping_program_is_ended_even_on_a_busy_machine() -> None:
    result = sandbox.run_python("import time\ntime.sleep(1000)", timeout_s=1, memory_mb=128, wall_s=120)
    assert result.status == "timed_out"


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_short_sleeps_between_work_pass(mechanism: str) -> None:
    program = "import time\ntime.sleep(0.5)\nwhile time.process_time() < 0.3: pass\ntime.sleep(0.3)"
    result = sandbox.run_python(program, timeout_s=1, memory_mb=128, mechanism=mechanism)
    assert result.status == "passed", result


def test_work_in_children_and_threads_is_not_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first process always waits; only whether some process or thread works makes a difference."""
    checks: list[bool] = []

    def recorded_check(pid: int) -> bool:
        checks.append(is_asleep(pid))
        return checks[-1]

    is_asleep = process.is_asleep
    monkeypatch.setattr(process, "is_asleep", recorded_check)

    def ticks_asleep(program: str) -> int:
        checks.clear()
        assert sandbox.run_python(program, timeout_s=30, memory_mb=128).status == "passed"
        return sum(checks)

    work = "import time\nend = time.process_time() + 1\nwhile time.process_time() < end: pass"
    threads = f"import threading\nwork = {work!r}\nthread = threading.Thread(target=exec, args=(work, {{}}))"
    assert ticks_asleep(f"{threads}\nthread.start()\nthread.join()") < 3
    assert ticks_asleep("import time\ntime.sleep(2)") >= 3
    if not sandbox.layers().missing:
        forks = f"import os\nif not os.fork(): exec({work!r}), os._exit(0)\nos.wait()"
        assert ticks_asleep(forks) < 3


def test_the_wall_clock_limit_ends_a_chain_of_short_processes() -> None:
    """Each process is far below its own limit."""
    if sandbox.layers().missing:
        pytest.skip("needs child processes")
    program = "import os\nwhile True:\n if not os.fork(): os._exit(0)\n os.wait()"
    started = time.monotonic()
    result = sandbox.run_python(program, timeout_s=60, memory_mb=128, wall_s=2)
    assert result.status == "timed_out" and time.monotonic() - started < 30
