"""Judges Python programs: a program passes if it runs to its end without an exception."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from lemur.core import workers
from lemur.sandbox import backend, judge
from lemur.sandbox.limits import Limits
from lemur.sandbox.process import Completed
from lemur.sandbox.second_run import judge_all

DETAIL_CHARACTERS = 300
# Imported only for its path, and so that stages that depend on this module depend on it; it runs inside the sandbox.
_JUDGE = Path(judge.__file__).read_text(encoding="utf-8")
SIGXCPU = 128 + 24


@dataclass(frozen=True)
class Result:
    """Verdict on a program: `passed` (ran to its end), `failed` (an exception, named in `detail`), `timed_out`, or
    `ended` (the process ended before the program's end: os._exit, a signal, out of memory). `cpu_s`, its processor
    seconds, differs from run to run and must not enter an artifact."""

    status: Literal["passed", "failed", "timed_out", "ended"]
    detail: str
    stdout: str
    stderr: str
    truncated: bool
    cpu_s: float = field(default=0.0, compare=False)


def out_of_time(done: Completed, timeout_s: int) -> bool:
    """Whether a run that did not pass ran out of time. Some programs catch SIGXCPU, or fail because a child got it. The
    kernel limits a count of its ticks but reports the time itself; on a busy machine the two differ by some percent,
    and by a tenth of a second if it is short."""
    return done.timed_out or done.returncode == SIGXCPU or done.cpu_s > 0.9 * timeout_s - 0.1


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

    It sees only the standard library, unless `python` is the command of another interpreter in one of the folders
    `readable`. Another interpreter's address space is not limited, because libraries reserve much more than they use.

    `timeout_s` and `wall_s` are `cpu_s` and `wall_s` of `Limits`.
    The verdict arrives on a private pipe with a nonce that is new for each run, so neither an early exit nor printed
    text can pass. Raises `lemur.sandbox.Unavailable`."""
    nonce = secrets.token_hex(16)
    limits = Limits(
        cpu_s=timeout_s,
        wall_s=wall_s,
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
    if claimed == f"{nonce} passed" and done.returncode == 0:
        status, detail = "passed", ""
    elif out_of_time(done, timeout_s):
        status, detail = "timed_out", f"more than {timeout_s} s"
    elif claimed == f"{nonce} failed":
        status = "failed"
    else:
        status, detail = "ended", f"ended before its last line, exit status {done.returncode}"
    return Result(status, detail[:DETAIL_CHARACTERS], done.stdout, done.stderr, done.truncated, done.cpu_s)


def run_python_programs(
    programs: Sequence[str], *, names: Sequence[str] | None = None, timeout_s: int, memory_mb: int
) -> list[Result]:
    """Results in the order of `programs`; those that time out run a second time, alone and with more time.

    Three more run at once than this stage has workers, since a start waits for the kernel (4 ms for control groups)."""
    return judge_all(
        programs,
        lambda program, seconds: run_python(program, timeout_s=seconds, memory_mb=memory_mb),
        names=names,
        timeout_s=timeout_s,
        at_once=workers.count() + 3,
    )
