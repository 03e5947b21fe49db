"""System-call filters for sandboxed programs, exported once as BPF so that a run needs no libseccomp.

`python -m lemur.sandbox.seccomp` writes `filters/<name>.<machine>.hex` again (it needs libseccomp 2.5 or newer).
"""

import errno
import os
import platform
import struct
from functools import cache
from pathlib import Path

FILTERS = Path(__file__).with_name("filters")
MACHINES = ("x86_64", "aarch64")

CLONE_NEWUSER, CLONE_THREAD = 0x10000000, 0x00010000
TIOCSTI = 0x5412

# Calls from this number on (Linux 5.17; the same numbers on both machines) are younger than those lists and answer
# "not implemented": else `fchmodat2`, for one, would be a way round `fchmodat`.
FIRST_UNKNOWN = 450


@cache
def program(name: str) -> bytes:
    """The BPF of filter `name` (`namespaced` or `bare`) for this machine. Raises `OSError` for another machine."""
    path = FILTERS / f"{name}.{platform.machine()}.hex"
    if not path.is_file():
        raise OSError(f"no system-call filter for {platform.machine()}; there are filters for {', '.join(MACHINES)}")
    return bytes.fromhex(path.read_text())


def build(name: str, machine: str) -> bytes:
    """Make the filter with libseccomp. Everything is allowed but for the calls of `filters/*.txt`."""
    import pyseccomp as seccomp

    rules = seccomp.SyscallFilter(defaction=seccomp.ALLOW)
    arch = {"x86_64": seccomp.Arch.X86_64, "aarch64": seccomp.Arch.AARCH64}[machine]
    if arch != _native(seccomp):
        rules.add_arch(arch)
        rules.remove_arch(_native(seccomp))
    refuse = seccomp.ERRNO(errno.EPERM)
    for call in _refused("namespaced") + (_refused("bare") if name == "bare" else []):
        if seccomp.resolve_syscall(arch, call) >= 0:  # negative: this machine never had the call
            rules.add_rule(refuse, call)
    rules.add_rule(refuse, "clone", seccomp.Arg(0, seccomp.MASKED_EQ, CLONE_NEWUSER, CLONE_NEWUSER))
    if name == "bare":  # threads yes, processes no
        rules.add_rule(refuse, "clone", seccomp.Arg(0, seccomp.MASKED_EQ, CLONE_THREAD, 0))
    rules.add_rule(refuse, "ioctl", seccomp.Arg(1, seccomp.MASKED_EQ, 0xFFFFFFFF, TIOCSTI))
    # clone3 hides its flags behind a pointer; "not implemented" makes libc fall back to clone.
    rules.add_rule(seccomp.ERRNO(errno.ENOSYS), "clone3")
    with os.fdopen(os.memfd_create("filter"), "w+b") as file:
        rules.export_bpf(file)
        file.flush()
        file.seek(0)
        return _answer_unknown() + file.read()


def _refused(name: str) -> list[str]:
    lines = (FILTERS / f"{name}.txt").read_text().splitlines()
    return [call for line in lines if not line.startswith("#") for call in line.split()]


def _answer_unknown() -> bytes:
    """Three BPF instructions before the others: load the call's number; if it is unknown, return ENOSYS."""
    load, jump_if_not_less, answer = 0x20, 0x35, 0x06
    instruction = struct.Struct("=HBBI").pack
    return (
        instruction(load, 0, 0, 0)
        + instruction(jump_if_not_less, 0, 1, FIRST_UNKNOWN)
        + instruction(answer, 0, 0, 0x00050000 | errno.ENOSYS)
    )


def _native(seccomp: object) -> object:
    return {"x86_64": seccomp.Arch.X86_64, "aarch64": seccomp.Arch.AARCH64}[platform.machine()]  # type: ignore[attr-defined]


if __name__ == "__main__":
    FILTERS.mkdir(exist_ok=True)
    for filter_name in ("namespaced", "bare"):
        for one in MACHINES:
            text = build(filter_name, one).hex()
            lines = "\n".join(text[at : at + 96] for at in range(0, len(text), 96))
            (FILTERS / f"{filter_name}.{one}.hex").write_text(lines + "\n")
