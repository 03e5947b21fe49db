"""Chooses the strongest isolation mechanism that passes a self-test here, and runs commands in it."""

import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from lemur.sandbox import bubblewrap, cgroup, landlock
from lemur.sandbox.limits import Limits
from lemur.sandbox.process import Completed, Launch, execute, memory_file

MECHANISMS = ("bubblewrap-root", "bubblewrap", "bubblewrap-root-noproc", "bubblewrap-noproc", "landlock")
"""Strongest first. `-root` needs root and no user namespace; `-noproc` is for containers that mask /proc."""

PRIVATE_IN, PRIVATE_OUT = "LEMUR_PRIVATE_IN", "LEMUR_PRIVATE_OUT"
"""Environment variables inside the sandbox: file descriptors from which the command reads private bytes and to which it
writes private bytes."""


class Unavailable(RuntimeError):
    """No isolation mechanism works on this machine; the message says what was tried."""


@dataclass(frozen=True)
class Layers:
    """How sandboxed programs are isolated here. `missing` names the guarantees that this mechanism does not give."""

    mechanism: str
    python: str
    memory_of_all_processes: bool
    missing: tuple[str, ...]

    def record(self) -> dict[str, object]:
        return {
            "mechanism": self.mechanism,
            "python": self.python,
            "memory_of_all_processes": self.memory_of_all_processes,
            "missing": list(self.missing),
        }


@dataclass(frozen=True)
class _Python:
    """An interpreter: its command inside the sandbox, host folder -> where that appears inside, and its environment."""

    command: str
    binds: dict[str, str]
    env: dict[str, str]


def run(
    argv: Sequence[str],
    *,
    files: Mapping[str, bytes] | None = None,
    stdin: bytes = b"",
    private: bytes = b"",
    readable: Sequence[str] = (),
    binds: Mapping[str, str] | None = None,
    env: Mapping[str, str] | None = None,
    limits: Limits | None = None,
    mechanism: str | None = None,
) -> Completed:
    """Run `argv` in a fresh sandbox with `files` (name: content) in its working folder /box.

    Besides the system's programs, the command can read the host's files and folders `readable`; those that do not exist
    are ignored. `binds`: others, and where they appear inside. `env` is added to the smallest environment.

    The command can read `private` from the file descriptor in $LEMUR_PRIVATE_IN and write to the one in
    $LEMUR_PRIVATE_OUT (`Completed.channel`). `mechanism` is for tests; by default it is the strongest that works.
    Raises `Unavailable` if none works: a program never runs without a sandbox."""
    binds = {**{path: path for path in readable if os.path.exists(path)}, **(binds or {})}
    mechanism = mechanism or layers().mechanism
    return _run(mechanism, argv, files or {}, stdin, private, limits or Limits(), binds, env or {})


def available() -> bool:
    return why_unavailable() is None


def why_unavailable() -> str | None:
    """Why no program can run here, or `None` if one can."""
    try:
        layers()
    except Unavailable as error:
        return str(error)
    return None


@cache
def layers() -> Layers:
    """The strongest mechanism that passes a self-test here. Raises `Unavailable` with each one's failure."""
    failures = []
    for mechanism in MECHANISMS:
        if (failure := probe(mechanism)) is None:
            missing = []
            if mechanism == "landlock":
                missing = ["scratch folder (nothing can be written)", "child processes (none can be started)"]
            elif mechanism.endswith("noproc"):
                missing = ["/proc"]
            has_cgroup = mechanism != "landlock" and cgroup.usable()
            version = (
                ".".join(map(str, sys.version_info[:2]))
                if python(mechanism).command != "/usr/bin/python3"
                else "system"
            )
            return Layers(mechanism, version, has_cgroup or mechanism == "landlock", tuple(missing))
        failures.append(f"{mechanism}: {failure}")
    raise Unavailable(
        "no sandbox works on this machine, so no program of a model is run (docs/sandbox.md says how to allow one). "
        + "; ".join(failures)
    )


def probe(mechanism: str) -> str | None:
    """Why `mechanism` does not work here, or `None`. A program inside tries to reach the network, read a foreign file
    and write outside."""
    if mechanism.startswith("bubblewrap-root") and os.geteuid() != 0:
        return "needs root"
    if mechanism in ("bubblewrap", "bubblewrap-noproc") and os.geteuid() == 0:
        return "as root the process limit would not hold in a user namespace"
    with tempfile.TemporaryDirectory() as folder, socket.create_server(("127.0.0.1", 0)) as listener:
        os.chmod(folder, 0o777)
        secret = Path(folder, "secret")
        secret.write_text("secret", encoding="utf-8")
        port = listener.getsockname()[1]
        attacks = {
            "network": f"import socket; socket.create_connection(('127.0.0.1', {port}), 1)",
            "a foreign file": f"open({str(secret)!r}).read()",
            "writing outside": f"open({folder + '/written'!r}, 'w')",
        }
        program = "".join(
            f"try:\n {code}\n print({name!r})\nexcept OSError:\n pass\n" for name, code in attacks.items()
        )
        try:
            command = [python(mechanism).command, "-c", f"{program}print('done')"]
            completed = _run(mechanism, command, {}, b"", b"", Limits(), {}, {})
        except (OSError, Unavailable) as error:
            return str(error)
    *leaks, last = completed.stdout.split("\n")[:-1] or [""]
    if completed.returncode or last != "done":
        return (completed.stderr.strip().splitlines() or [f"exit status {completed.returncode}"])[-1]
    return f"lets through {', '.join(leaks)}" if leaks else None


@cache
def python(mechanism: str) -> _Python:
    """The interpreter for programs: this one's base installation, so that programs run with the project's Python
    version. Under Landlock, Debian's if the unprivileged user cannot reach this one, for example below /root."""
    base = Path(sys.base_prefix).resolve()
    command = Path(getattr(sys, "_base_executable", sys.executable)).resolve()
    env = {"PYTHONHASHSEED": "0"}
    if base == Path("/usr"):
        return _Python(str(command), {}, env)
    if mechanism != "landlock":
        inside = Path("/python", command.relative_to(base))
        return _Python(str(inside), {str(base): "/python"}, {**env, "LD_LIBRARY_PATH": "/python/lib"})
    reachable = os.geteuid() != 0 or all(folder.stat().st_mode & 1 for folder in (base, *base.parents))
    if reachable:
        return _Python(str(command), {str(base): str(base)}, env)
    if system := shutil.which("python3", path="/usr/bin"):
        return _Python(system, {}, env)
    raise Unavailable(f"{base} is closed to other users and there is no /usr/bin/python3")


def _run(
    mechanism: str,
    argv: Sequence[str],
    files: Mapping[str, bytes],
    stdin: bytes,
    private: bytes,
    limits: Limits,
    binds: Mapping[str, str],
    env: Mapping[str, str],
) -> Completed:
    for name in files:
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise ValueError(f"sandbox file {name!r} would be outside /box; give a relative name without '..'")
    channel, channel_end = os.pipe()
    private_fd = memory_file(private)
    with ExitStack() as stack:
        stack.callback(os.close, channel)
        launch = stack.enter_context(
            prepared(
                mechanism,
                argv,
                files=files,
                env={**env, PRIVATE_IN: str(private_fd), PRIVATE_OUT: str(channel_end)},
                limits=limits,
                binds=binds,
                pass_fds=[private_fd, channel_end],
            )
        )
        return execute(
            launch,
            stdin=stdin,
            channel=channel,
            max_sleep_s=limits.cpu_s,
            wall_s=limits.max_wall_s,
            output_bytes=limits.output_bytes,
        )


@contextmanager
def prepared(
    mechanism: str,
    argv: Sequence[str],
    *,
    files: Mapping[str, bytes],
    env: Mapping[str, str],
    limits: Limits,
    binds: Mapping[str, str],
    pass_fds: Sequence[int],
    user: int | None = None,
    writable: Mapping[str, str] | None = None,
) -> Iterator[Launch]:
    """A launch of `argv`, whose folder and control group on the host are removed afterwards. `env` is added to the
    smallest environment, `binds` to the interpreter's. A thread that starts several at once gives each its own `user`.
    `writable`: host folder -> where the command finds it and may write, which needs namespaces."""
    interpreter = python(mechanism)
    env = {"PATH": "/usr/bin:/bin", "HOME": "/box", "LANG": "C.UTF-8", **interpreter.env, **env}
    binds = {**interpreter.binds, **binds}
    with ExitStack() as stack:
        if mechanism == "landlock":
            launch = stack.enter_context(
                landlock.launch(
                    argv,
                    files=files,
                    env=env,
                    limits=limits,
                    readable=list(binds),
                    python=interpreter.command,
                    user=user,
                )
            )
            launch.pass_fds = list(pass_fds)
        else:
            launch = bubblewrap.launch(
                argv,
                files=files,
                env=env,
                limits=limits,
                binds=binds,
                pass_fds=pass_fds,
                as_root="root" in mechanism,
                with_proc=not mechanism.endswith("noproc"),
                user=user,
                writable=writable,
            )
            memory_mb = limits.memory_mb + limits.scratch_mb
            launch.started = stack.enter_context(cgroup.group(memory_mb, limits.processes))
        yield launch
