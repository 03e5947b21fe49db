"""A program that timed out runs once more, alone and with more time; only that run decides."""

import logging
import math
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from unittest.mock import patch

import pytest

from lemur import sandbox
from lemur.sandbox import backend, second_run

ENDLESS = math.inf


@dataclass(frozen=True)
class Verdict:
    status: str
    cpu_s: float
    limit: int


class Machine:
    """A simulated machine that judges programs given as the processor seconds they need, and records every run."""

    def __init__(self, slowness: float = 1.0, crowded: float = 1.0) -> None:
        self.slowness = slowness
        self.crowded = crowded
        """How many times as long a program takes when others run at the same time."""
        self.runs: list[tuple[float, int]] = []
        self.most_at_once: dict[int, int] = {}
        """Most simultaneous runs, by time limit."""
        self._running = 0
        self._lock = threading.Lock()

    def judge(self, needs: float, limit: int) -> Verdict:
        with self._lock:
            self._running += 1
            self.runs.append((needs, limit))
            self.most_at_once[limit] = max(self._running, self.most_at_once.get(limit, 0))
        time.sleep(0.01)
        with self._lock:
            self._running -= 1
        takes = needs * self.slowness * (self.crowded if limit == 3 else 1)
        return Verdict("passed" if takes < limit else "timed_out", min(takes, limit), limit)

    def verdicts(self, needs: Sequence[float], at_once: int = 4) -> list[str]:
        names = [f"needs {seconds}" for seconds in needs]
        with patch.object(second_run, "layers"):
            judged = second_run.judge_all(needs, self.judge, names=names, timeout_s=3, at_once=at_once)
        return [verdict.status for verdict in judged]


def test_only_programs_that_timed_out_run_again_and_at_most_once() -> None:
    machine = Machine()
    assert machine.verdicts([1, ENDLESS, 4, 2]) == ["passed", "timed_out", "passed", "passed"]
    assert sorted(machine.runs) == [(1, 3), (2, 3), (4, 3), (4, 15), (ENDLESS, 3), (ENDLESS, 15)]


def test_second_runs_come_one_by_one_after_all_first_runs() -> None:
    machine = Machine()
    machine.verdicts([ENDLESS, 1, 4, ENDLESS, 1, 1, 5, 1])
    assert machine.most_at_once[3] > 1 and machine.most_at_once[15] == 1
    assert [limit for _, limit in machine.runs] == [3] * 8 + [15] * 4


def test_no_verdict_depends_on_speed_load_or_workers() -> None:
    needs = [0.1, 2.9, ENDLESS, 3.1, 2.6, 0.5, ENDLESS]
    expected = ["passed", "passed", "timed_out", "passed", "passed", "passed", "timed_out"]
    for slowness in (0.2, 1, 4):
        for crowded in (1, 30):
            for at_once in (1, 2, 9):
                assert Machine(slowness, crowded).verdicts(needs, at_once) == expected, (slowness, crowded, at_once)


def test_near_misses_and_time_outs_are_logged_by_name(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    Machine().verdicts([1, 7, 8, ENDLESS, 14])
    near, late = caplog.records
    assert (near.levelname, near.getMessage()) == (
        "WARNING",
        "2 programs took more than half of 15 processor seconds, so a slower machine may judge otherwise: "
        "needs 8, needs 14",
    )
    assert (late.levelname, late.getMessage()) == ("INFO", "1 programs timed out, with 15 seconds alone too: needs inf")


def test_programs_well_below_the_limit_are_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    Machine().verdicts([1, 4, 7])
    assert not caplog.records


def using(seconds: float) -> str:
    """A program that uses this many processor seconds on any machine."""
    return f"import time\nwhile time.process_time() < {seconds}: pass\nprint({seconds})"


@pytest.mark.skipif(not sandbox.available(), reason=str(sandbox.why_unavailable()))
def test_real_programs_get_more_time_and_keep_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(second_run, "RETRY_FACTOR", 3)
    programs = [using(1.8), "print(0)", "while True: pass", using(0.2), "assert False"]
    results = sandbox.run_python_programs(programs, timeout_s=1, memory_mb=128)
    assert [result.status for result in results] == ["passed", "passed", "timed_out", "passed", "failed"]
    assert [result.stdout for result in results] == ["1.8\n", "0\n", "", "0.2\n", ""]
    assert results[2].detail == "more than 3 s"


MECHANISMS = [name for name in ("bubblewrap-root", "bubblewrap", "landlock") if backend.probe(name) is None]


@pytest.mark.parametrize("mechanism", MECHANISMS)
@pytest.mark.parametrize(
    "program",
    [
        pytest.param("import signal\nsignal.signal(24, signal.SIG_IGN)\nwhile True: pass", id="ignores SIGXCPU"),
        pytest.param("import signal\nsignal.signal(24, lambda *_: exit())\nwhile True: pass", id="exits on SIGXCPU"),
        pytest.param("import time\ntime.sleep(100)", id="sleeps"),
        pytest.param("import threading\nthreading.Lock().acquire()\nthreading.Event().wait()", id="waits for itself"),
    ],
)
def test_every_way_to_take_too_long_is_a_time_out(mechanism: str, program: str) -> None:
    started = time.monotonic()
    result = sandbox.run_python(program, timeout_s=1, memory_mb=128, wall_s=60, mechanism=mechanism)
    assert (result.status, result.detail) == ("timed_out", "more than 1 s")
    assert time.monotonic() - started < 50, "ended by the wall-clock limit"


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_processor_seconds_are_measured_over_all_processes(mechanism: str) -> None:
    forks = "" if mechanism == "landlock" else "import os\nif not os.fork(): exec(burn), os._exit(0)\nos.wait()"
    program = f"burn = {using(0.5)!r}\n{forks}\nexec(burn)"
    result = sandbox.run_python(program, timeout_s=5, memory_mb=128, mechanism=mechanism)
    minimum = 0.45 if mechanism == "landlock" else 0.9
    assert result.status == "passed" and minimum <= result.cpu_s < minimum + 0.8, result
