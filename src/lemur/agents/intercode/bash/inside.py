"""Runs inside a root file system as its first process: runs commands, one JSON object a line, and reaps orphans.

A question is {argv, cwd, seconds, most, stdin?}, an answer {output, code, timed_out} or {missing}; output and stdin are
base64. As process 1 it cannot be killed from inside, and it is not dumpable, so nothing inside reads or writes its
pipes."""

import base64
import contextlib
import ctypes
import json
import os
import select
import signal
import subprocess
import sys
import time
from typing import Any

ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "HOSTNAME": "box",
}
PR_SET_DUMPABLE = 4


def answer(question: dict[str, Any]) -> dict[str, object]:
    try:
        process = subprocess.Popen(
            question["argv"],
            cwd=question["cwd"],
            env={**ENVIRONMENT, **question.get("env", {})},
            stdin=subprocess.PIPE if "stdin" in question else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except (FileNotFoundError, NotADirectoryError, PermissionError) as error:
        return {"missing": str(error)}
    except OSError as error:  # no process or no memory left
        return {"output": base64.b64encode(f"{error}\n".encode()).decode(), "code": 126, "timed_out": False}
    if "stdin" in question:
        assert process.stdin is not None
        process.stdin.write(base64.b64decode(question["stdin"]))
        process.stdin.close()
    kept, timed_out = read(process, question["seconds"], question["most"])
    if timed_out:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    code = process.wait()
    if process.stdout is not None:
        process.stdout.close()
    return {"output": base64.b64encode(kept).decode(), "code": code, "timed_out": timed_out}


def read(process: "subprocess.Popen[bytes]", seconds: float, most: int) -> tuple[bytes, bool]:
    """What it prints until it ends, and whether that took too long; what it leaves running may hold the pipe open."""
    assert process.stdout is not None
    deadline = time.monotonic() + seconds
    kept = bytearray()
    handle, pipe = os.pidfd_open(process.pid), process.stdout.fileno()
    os.set_blocking(pipe, False)
    try:
        while True:
            ready = select.select([pipe, handle], [], [], max(deadline - time.monotonic(), 0))[0]
            if not ready:
                return bytes(kept), True
            if pipe in ready:
                chunk = os.read(pipe, 65536)
                kept += chunk[: most - len(kept)]
                if not chunk:
                    timed_out = not select.select([handle], [], [], max(deadline - time.monotonic(), 0))[0]
                    return bytes(kept), timed_out
            elif handle in ready:
                return bytes(kept), False
    finally:
        os.close(handle)


def reap() -> None:
    """Wait for what commands left behind and has ended."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


if __name__ == "__main__":
    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0)
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(each, signal.SIG_IGN)
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), flush=True)
        reap()
