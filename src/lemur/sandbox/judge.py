"""Runs inside the sandbox, as `python -c`: executes the program and reports on the private pipe how it ended.

The nonce that authenticates the report is read before the program starts and is in none of its namespaces. Code that
searches this process's frames can find it; that is inherent when tests share a process with what they test.
"""

import contextlib
import os
import site
import sys


def main() -> None:
    with open(int(os.environ.pop("LEMUR_PRIVATE_IN")), "rb") as file:
        nonce, program = file.readline().decode().strip(), file.read()
    channel, process = int(os.environ.pop("LEMUR_PRIVATE_OUT")), os.getpid()
    # Python starts without `site`, which would expose the host's installed packages; programs can still use `exit()`.
    site.setquit()
    site.sethelper()
    detail, verdict = "", "passed"
    try:
        code = compile(program.decode(), "program.py", "exec")
        exec(code, {"__name__": "__main__", "__builtins__": __builtins__})
    except BaseException as error:
        detail, verdict = describe(error), "failed"
    with contextlib.suppress(BaseException):
        sys.stdout.flush()
    if os.getpid() != process:
        os._exit(1)  # a forked child also gets here, but only its parent may report
    os.write(channel, f"{nonce} {verdict}\n{detail}".encode(errors="replace"))
    # Not sys.exit: neither flushing a closed stdout nor a thread that never ends may change the verdict.
    os._exit(0)


def describe(error: BaseException) -> str:
    """Type and first 200 characters of the message, without memory addresses, which differ from run to run."""
    import re  # only here, because importing it takes as long as starting Python

    try:
        text = str(error)[:200]
    except BaseException:
        text = "(its message could not be made)"
    return re.sub(r"0x[0-9a-f]+", "0x", f"{type(error).__name__}: {text}".rstrip(": "))


if __name__ == "__main__":
    main()
