"""Judges Python programs: a program passes if it runs to its end without an exception."""

import secrets
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lemur import workers
from lemur.sandbox import backend, judge
from lemur.sandbox.limits import Limits

DETAIL_CHARACTERS = 300
# Imported for its place only, and so that what depends on this module depends on it; it runs inside the sandbox.
_JUDGE = Path(judge.__file__).read_text(encoding="utf-8")
SIGXCPU = 128 + 24
WALL_PER_CPU = 4  # a program that only sleeps gets this many times its CPU limit by the clock


@dataclass(frozen=True)
class Result:
    """Verdict on a program: `passed` (ran to its end), `failed` (an exception, named in `detail`), `timed_out`, or
    `ended` (the process ended before the program's end: os._exit, a signal, out of memory)."""

    status: Literal["passed", "failed", "timed_out", "ended"]
    detail: str
    stdout: str
    stderr: str
    truncated: bool


def run_python(
    program: str,
    *,
    timeout_s: int,
    memory_mb: int,
    wall_s: float | None = None,
    stdin: str = "",
    files: Mapping[str, bytes] | None = None,
    python: Sequence[str] = (),
    readable: Sequence[str] = (),
    output_bytes: int = 65536,
    mechanism: str | None = None,
) -> Result:
    """Run `program` as __main__ in a fresh sandbox, with `files` in its working folder.

    It sees the standard library only, unless `python` is the command of another interpreter, which then lies in one of
    the folders `readable`, and whose address space is not limited (libraries reserve much more than they use).

    `timeout_s` is processor seconds (a busy machine changes no verdict); by the clock it gets `wall_s`, by
    default four times that.
    The verdict comes on a private pipe with a number that is new for each run, so neither an early exit nor anything
    printed passes. Raises `lemur.sandbox.Unavailable`."""
    nonce = secrets.token_hex(16)
    limits = Limits(
        cpu_s=timeout_s,
        wall_s=wall_s or float(WALL_PER_CPU * timeout_s),
        memory_mb=memory_mb,
        address_space_mb=None if python else memory_mb + 256,
        output_bytes=output_bytes,
    )
    mechanism = mechanism or backend.layers().mechanism
    done = backend.run(
        [*(python or [backend.python(mechanism).command, "-S", "-s", "-P", "-B"]), "-c", _JUDGE],
        files=files or {},
        stdin=stdin.encode(),
        private=f"{nonce}\n{program}".encode(errors="surrogatepass"),
        readable=readable,
        limits=limits,
        mechanism=mechanism,
    )
    status: Literal["passed", "failed", "timed_out", "ended"]
    claimed, _, detail = done.channel.decode(errors="replace").partition("\n")
    if done.timed_out or done.returncode == SIGXCPU:
        status, detail = "timed_out", f"more than {timeout_s} s"
    elif claimed == f"{nonce} passed" and done.returncode == 0:
        status, detail = "passed", ""
    elif claimed == f"{nonce} failed":
        status = "failed"
    else:
        status, detail = "ended", f"ended before its last line, exit status {done.returncode}"
    return Result(status, detail[:DETAIL_CHARACTERS], done.stdout, done.stderr, done.truncated)


def run_python_programs(programs: Sequence[str], *, timeout_s: int, memory_mb: int) -> list[Result]:
    """Results in the order of `programs`, one more at once than this stage has workers: a start waits 6 of its 27 ms
    for the kernel to make namespaces."""
    backend.layers()  # once, not in every thread
    with ThreadPoolExecutor(workers.count() + 1) as pool:
        return list(pool.map(lambda program: run_python(program, timeout_s=timeout_s, memory_mb=memory_mb), programs))
