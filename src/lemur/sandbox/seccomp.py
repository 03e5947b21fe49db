"""System-call filters for sandboxed programs, exported once as BPF, so that running needs no libseccomp.

`python -m lemur.sandbox.seccomp` rewrites `filters/<name>.<machine>.hex` (it needs libseccomp 2.5 or newer).
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

# Calls from this number on (Linux 5.17; the same numbers on both machines) are newer than the lists and return "not
# implemented"; otherwise `fchmodat2`, for example, would bypass the filter on `fchmodat`.
FIRST_UNKNOWN = 450


@cache
def program(name: str) -> bytes:
    """The BPF of filter `name` (`namespaced`, `bare`, or `tracing`: the first with `ptrace`) for this machine. Raises
    `OSError` for another machine."""
    path = FILTERS / f"{name}.{platform.machine()}.hex"
    if not path.is_file():
        raise OSError(f"no system-call filter for {platform.machine()}; there are filters for {', '.join(MACHINES)}")
    return bytes.fromhex(path.read_text(encoding="utf-8"))


def build(name: str, machine: str) -> bytes:
    """Build the filter with libseccomp. It allows everything except the calls in `filters/*.txt`; `tracing` is
    `namespaced` with `ptrace`, for a debugger among processes of its own namespace."""
    import pyseccomp as seccomp

    rules = seccomp.SyscallFilter(defaction=seccomp.ALLOW)
    arch = {"x86_64": seccomp.Arch.X86_64, "aarch64": seccomp.Arch.AARCH64}[machine]
    if arch != _native(seccomp):
        rules.add_arch(arch)
        rules.remove_arch(_native(seccomp))
    refuse = seccomp.ERRNO(errno.EPERM)
    for call in _refused("namespaced") + (_refused("bare") if name == "bare" else []):
        if name == "tracing" and call == "ptrace":
            continue
        if seccomp.resolve_syscall(arch, call) >= 0:  # negative if this machine never had the call
            rules.add_rule(refuse, call)
    rules.add_rule(refuse, "clone", seccomp.Arg(0, seccomp.MASKED_EQ, CLONE_NEWUSER, CLONE_NEWUSER))
    if name == "bare":  # allow threads but no processes
        rules.add_rule(refuse, "clone", seccomp.Arg(0, seccomp.MASKED_EQ, CLONE_THREAD, 0))
    rules.add_rule(refuse, "ioctl", seccomp.Arg(1, seccomp.MASKED_EQ, 0xFFFFFFFF, TIOCSTI))
    # clone3 hides its flags behind a pointer; "not implemented" makes libc fall back to clone.
    rules.add_rule(seccomp.ERRNO(errno.ENOSYS), "clone3")
    with os.fdopen(os.memfd_create("filter"), "w+b") as file:
        rules.export_bpf(file)
        file.flush()
        file.seek(0)
        return _refuse_unknown() + file.read()


def _refused(name: str) -> list[str]:
    lines = (FILTERS / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    return [call for line in lines if not line.startswith("#") for call in line.split()]


def _refuse_unknown() -> bytes:
    """Three BPF instructions to put first: load the call's number and, if it is unknown, return ENOSYS."""
    load, jump_if_not_less, return_ = 0x20, 0x35, 0x06
    instruction = struct.Struct("=HBBI").pack
    return (
        instruction(load, 0, 0, 0)
        + instruction(jump_if_not_less, 0, 1, FIRST_UNKNOWN)
        + instruction(return_, 0, 0, 0x00050000 | errno.ENOSYS)
    )


def _native(seccomp: object) -> object:
    return {"x86_64": seccomp.Arch.X86_64, "aarch64": seccomp.Arch.AARCH64}[platform.machine()]  # type: ignore[attr-defined]


if __name__ == "__main__":
    FILTERS.mkdir(exist_ok=True)
    for filter_name in ("namespaced", "bare", "tracing"):
        for machine_name in MACHINES:
            text = build(filter_name, machine_name).hex()
            lines = "\n".join(text[at : at + 96] for at in range(0, len(text), 96))
            (FILTERS / f"{filter_name}.{machine_name}.hex").write_text(lines + "\n", encoding="utf-8")
