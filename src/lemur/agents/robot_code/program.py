"""Runs an answer's code in the sandbox, and judges there, in another process, what its function returned."""

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from lemur.agents.episodes.environment import EnvironmentFault
from lemur.benchmark_items.robocodegen import Problem, Setting, Value
from lemur.core.records import Record
from lemur.sandbox import Limits, Unavailable, backend, judge_all, out_of_time
from lemur.sandbox.sessions import libraries
from lemur.sources.reading.values import check

LIBRARIES = ("numpy", "shapely")
# Not imported, because it imports the libraries; it runs inside the sandbox.
_INSIDE = Path(__file__).with_name("inside.py").read_text(encoding="utf-8")
BANNED = ("import", "__")
"""What the original's `exec_safe` refuses in a model's code."""
OUTPUT_BYTES = 4 << 20
COMPARE_S = 30
LATE = "TimeoutError: the code took too long"
ENDED = "RuntimeError: the process ended before the function had returned"
FORGED = "RuntimeError: the process did not report what the function returned"
ONE_THREAD = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")

Pair = tuple[str, Value, Value]
"""How two values are compared, the expected one, the returned one."""


@dataclass(frozen=True)
class Called:
    """What the function returned for each input, or the `error` that the model reads."""

    status: Literal["returned", "failed", "timed_out"]
    values: Sequence[Value]
    error: str
    cpu_s: float


def banned(code: str) -> str:
    """The error of the paper's rule for code with a banned phrase, or empty."""
    phrases = [phrase for phrase in BANNED if phrase in code]
    return f"AssertionError: the code must not contain {phrases[0]!r}" if phrases else ""


def call(problem: Problem, setting: Setting, code: str, *, separate: bool, seconds: int, memory_mb: int) -> Called:
    """Call the problem's function as `code` defines it. `separate`: with the original's two namespaces (inside.py).

    A call that times out runs again with more time (docs/sandbox.md). Raises `EnvironmentFault` if a sandbox fails."""
    job: Record = {
        "job": "call",
        "definitions": setting.definitions,
        "object_points": setting.object_points,
        "code": code,
        "name": problem.name,
        "inputs": [test.inputs for test in problem.tests],
        "separate": separate,
    }
    return judge_all(
        [job],
        lambda job, limit: _call(job, limit, memory_mb),
        names=[problem.id],
        timeout_s=seconds,
        at_once=1,
    )[0]


def compare(pairs: Sequence[Pair], memory_mb: int) -> list[Mapping[str, bool]]:
    """The verdict on each pair by rule; what takes too long to compare is wrong. Raises `EnvironmentFault`."""
    answer, _ = _run({"job": "compare", "pairs": [list(pair) for pair in pairs]}, COMPARE_S, memory_mb)
    return [{"paper": False, "strict": False}] * len(pairs) if answer is None else answer


def why_missing() -> str | None:
    """Why no program of this benchmark can run here, or `None`."""
    try:
        libraries.found(LIBRARIES)
        with libraries.placed(backend.layers().mechanism, LIBRARIES):
            return None
    except (Unavailable, libraries.Missing) as error:
        return str(error)


def _call(job: Record, seconds: int, memory_mb: int) -> Called:
    answer, done = _run(job, seconds, memory_mb)
    if answer is None and out_of_time(done, seconds):
        return Called("timed_out", [], LATE, done.cpu_s)
    if answer is None:
        return Called("failed", [], ENDED, done.cpu_s)
    match answer:
        case {"error": str(error)}:
            return Called("failed", [], error, done.cpu_s)
        case {"values": list(values)} if len(values) == len(job["inputs"]):
            return Called("returned", values, "", done.cpu_s)
    return Called("failed", [], FORGED, done.cpu_s)


def _run(job: Record, seconds: int, memory_mb: int) -> tuple[Any, Any]:
    """The answer of a process that does `job`, `None` if it gave none, and how it ended.

    The answer is genuine only if it begins with the nonce; what it says was in the hands of the model's code, which
    knows no expected value."""
    nonce = secrets.token_hex(16)
    try:
        mechanism = backend.layers().mechanism
        with libraries.placed(mechanism, LIBRARIES) as (folder, binds):
            done = backend.run(
                [backend.python(mechanism).command, "-S", "-s", "-P", "-B", "-c", _INSIDE],
                private=json.dumps({**job, "nonce": nonce}).encode(errors="surrogatepass"),
                binds=binds,
                env={**ONE_THREAD, "PYTHONPATH": folder},
                limits=Limits(cpu_s=seconds, memory_mb=memory_mb, output_bytes=OUTPUT_BYTES),
                mechanism=mechanism,
            )
    except (OSError, Unavailable, libraries.Missing) as error:
        raise EnvironmentFault(str(error)) from error
    ready, _, rest = done.channel.partition(b"\n")
    if ready != f"{nonce} ready".encode():
        report = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        raise EnvironmentFault(f"numpy and shapely do not start in the sandbox: {report[-1]}")
    genuine, _, text = rest.partition(b" ")
    if genuine != nonce.encode():
        return None, done
    try:
        answer = json.loads(text)
        check(answer)
    except (ValueError, RecursionError):
        return None, done
    return answer, done
