"""The layer for containers that allow no namespaces: this file's text runs as `python -c`, restricts itself with
rlimits, Landlock and a system-call filter, and then becomes the command. The command can read the system, but cannot
write, open sockets or start processes. This file imports nothing of lemur, because it runs in a bare interpreter.

Arguments: one JSON object {argv, rlimits, readable, folder, user, filter, env}.
"""

import ctypes
import errno
import json
import os
import resource
import struct
import sys

PR_SET_PDEATHSIG, SIGKILL = 1, 9
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
LANDLOCK_CREATE_RULESET, LANDLOCK_ADD_RULE, LANDLOCK_RESTRICT_SELF = 444, 445, 446  # the same on every machine
READ = 1 | 1 << 2 | 1 << 3  # execute, read file, read folder
WRITE = 1 << 1
# Landlock version -> the access rights that exist from that version on.
FILE_RIGHTS = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}
NETWORK_RIGHTS, SCOPES = 3, 3  # TCP bind and connect (version 4); abstract sockets and signals (version 6)
TGKILL = {"x86_64": 234, "aarch64": 131}


def apply_landlock(readable: list[str], writable: list[str]) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    version = libc.syscall(LANDLOCK_CREATE_RULESET, None, ctypes.c_size_t(0), 1)
    if version < 1:
        sys.exit("lemur: this kernel has no Landlock")
    handled = max(rights for since, rights in FILE_RIGHTS.items() if since <= version)
    ruleset = struct.pack("=QQQ", handled, NETWORK_RIGHTS if version >= 4 else 0, SCOPES if version >= 6 else 0)
    size = 8 if version < 4 else 16 if version < 6 else 24
    fd = libc.syscall(LANDLOCK_CREATE_RULESET, ruleset, ctypes.c_size_t(size), 0)
    for paths, rights in ((readable, READ), (writable, READ | WRITE)):
        for path in paths:
            try:
                parent = os.open(path, os.O_PATH | os.O_CLOEXEC)
            except FileNotFoundError:
                continue
            allowed = rights if os.path.isdir(path) else rights & ~(1 << 3)
            if libc.syscall(LANDLOCK_ADD_RULE, fd, 1, struct.pack("=Qi", allowed, parent), 0):
                sys.exit(f"lemur: Landlock rule for {path}: {os.strerror(ctypes.get_errno())}")
            os.close(parent)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.syscall(LANDLOCK_RESTRICT_SELF, fd, 0):
        sys.exit(f"lemur: Landlock: {os.strerror(ctypes.get_errno())}")
    os.close(fd)


def own_threads_filter() -> bytes:
    """A filter that refuses `tgkill` on another process, as Landlock does from version 6 on. It cannot be an exported
    filter, because it contains this process's id. It cannot refuse the whole call, because `abort` uses it."""
    load, jump_if_equal, return_ = 0x20, 0x15, 0x06
    instructions = [
        (load, 0, 0, 0),  # the call's number
        (jump_if_equal, 0, 3, TGKILL[os.uname().machine]),
        (load, 0, 0, 16),  # its first argument, a 32-bit number
        (jump_if_equal, 1, 0, os.getpid()),
        (return_, 0, 0, 0x00050000 | errno.EPERM),
        (return_, 0, 0, 0x7FFF0000),
    ]
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in instructions)


def install_filter(program: bytes) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    text = ctypes.create_string_buffer(program, len(program))
    header = ctypes.create_string_buffer(struct.pack("@HP", len(program) // 8, ctypes.addressof(text)))
    if libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, header, 0, 0):
        sys.exit(f"lemur: system-call filter: {os.strerror(ctypes.get_errno())}")


if __name__ == "__main__":
    settings = json.loads(sys.argv[1])
    for name, (soft, hard) in settings["rlimits"].items():
        resource.setrlimit(getattr(resource, "RLIMIT_" + name.upper()), (soft, hard))
    os.chdir(settings["folder"])
    if settings["user"] is not None:
        os.setgroups([])
        os.setresgid(settings["user"], settings["user"], settings["user"])
        os.setresuid(settings["user"], settings["user"], settings["user"])
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0)  # after the change of user, which clears it
    apply_landlock(settings["readable"], ["/dev/null"])
    install_filter(own_threads_filter())
    install_filter(bytes.fromhex(settings["filter"]))
    os.execve(settings["argv"][0], settings["argv"], settings["env"])
