"""A program that waits for a processor uses nothing up: neither its seconds nor those that it may sleep."""

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
    """This thread and its sandboxes share one core with programs that never rest."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    # In one session they would get one program's share (sched_autogroup).
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
began = time.monotonic()
while time.process_time() < 0.6:
    pass
print(time.monotonic() - began)
"""
    result = sandbox.run_python(program, timeout_s=1, memory_mb=128, wall_s=120, mechanism=mechanism)
    assert result.status == "passed", (result, os.getloadavg())
    assert float(result.stdout) > 1.5, "the core was not crowded"


@pytest.mark.usefixtures("one_crowded_core")
def test_one_who_sleeps_is_ended_on_a_busy_machine_too() -> None:
    result = sandbox.run_python("import time\ntime.sleep(1000)", timeout_s=1, memory_mb=128, wall_s=120)
    assert result.status == "timed_out"


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_a_short_sleep_beside_work_passes(mechanism: str) -> None:
    program = "import time\ntime.sleep(0.5)\nwhile time.process_time() < 0.3: pass\ntime.sleep(0.3)"
    result = sandbox.run_python(program, timeout_s=1, memory_mb=128, mechanism=mechanism)
    assert result.status == "passed", result


def test_sleep_is_told_from_work_in_children_and_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first process only waits in all of these; what counts is whether anyone works."""
    looks: list[bool] = []

    def look(pid: int) -> bool:
        looks.append(real(pid))
        return looks[-1]

    real = process.asleep
    monkeypatch.setattr(process, "asleep", look)

    def seen_asleep(program: str) -> int:
        looks.clear()
        assert sandbox.run_python(program, timeout_s=30, memory_mb=128).status == "passed"
        return sum(looks)

    work = "import time\nend = time.process_time() + 1\nwhile time.process_time() < end: pass"
    threads = f"import threading\nwork = {work!r}\nthread = threading.Thread(target=exec, args=(work, {{}}))"
    assert seen_asleep(f"{threads}\nthread.start()\nthread.join()") < 3
    assert seen_asleep("import time\ntime.sleep(2)") >= 3
    if not sandbox.layers().missing:
        forks = f"import os\nif not os.fork(): exec({work!r}), os._exit(0)\nos.wait()"
        assert seen_asleep(forks) < 3


def test_the_clock_ends_what_neither_works_nor_sleeps_for_long() -> None:
    """One process after the other, each far below its limit."""
    if sandbox.layers().missing:
        pytest.skip("needs child processes")
    program = "import os\nwhile True:\n if not os.fork(): os._exit(0)\n os.wait()"
    began = time.monotonic()
    result = sandbox.run_python(program, timeout_s=60, memory_mb=128, wall_s=2)
    assert result.status == "timed_out" and time.monotonic() - began < 30
