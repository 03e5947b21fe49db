"""What well-behaved programs can use, and what `run` guarantees."""

import os
import subprocess
import threading
from pathlib import Path

import pytest

from lemur import sandbox
from lemur.sandbox import backend, cgroup, landlock, launcher, seccomp
from lemur.sandbox.users import unused_user

pytestmark = pytest.mark.skipif(not sandbox.available(), reason=str(sandbox.why_unavailable()))


def judge(program: str, **more: str) -> sandbox.Result:
    return sandbox.run_python(program, timeout_s=5, memory_mb=256, **more)  # type: ignore[arg-type]


def test_a_program_passes_or_fails_with_its_reason() -> None:
    assert judge("print('hello')\nassert 1 + 1 == 2") == sandbox.Result("passed", "", "hello\n", "", False)
    assert judge("assert False, 'one'").detail == "AssertionError: one"
    assert judge("x = object()\nraise ValueError(x)").detail == "ValueError: <object object at 0x>"


def test_programs_can_use_the_standard_library_files_threads_and_stdin() -> None:
    program = """
import collections, hashlib, json, math, re, sqlite3, sys, tempfile, threading
assert sys.stdin.read() == "given"
with tempfile.NamedTemporaryFile("w+") as file:
    file.write("x")
thread = threading.Thread(target=print, args=("from a thread",))
thread.start()
thread.join()
"""
    result = judge(program, stdin="given")
    assert (result.status, result.stdout) == ("passed", "from a thread\n"), result.detail


def test_programs_see_no_installed_packages_but_have_exit() -> None:
    assert judge("import pydantic").detail == "ModuleNotFoundError: No module named 'pydantic'"
    assert judge("exit(3)").detail == "SystemExit: 3"


def test_the_hash_seed_is_fixed() -> None:
    assert judge("print(hash('lemur'))").stdout == judge("print(hash('lemur'))").stdout


def test_results_keep_the_order_of_the_programs() -> None:
    programs = [f"print({n})\nassert {n} % 3" for n in range(12)]
    results = sandbox.run_python_programs(programs, timeout_s=5, memory_mb=256)
    assert [r.stdout for r in results] == [f"{n}\n" for n in range(12)]
    assert [r.status for r in results] == ["failed" if n % 3 == 0 else "passed" for n in range(12)]


def test_run_passes_files_and_stdin_and_returns_streams_and_exit_status() -> None:
    done = sandbox.run(["sh", "-c", "cat a/b -; echo err >&2; exit 3"], files={"a/b": b"file "}, stdin=b"stdin")
    assert (done.returncode, done.stdout, done.stderr) == (3, "file stdin", "err\n")
    assert sandbox.run(["sh", "-c", "kill -9 $$"]).returncode == 128 + 9


def test_long_output_is_cut_and_marked_as_truncated() -> None:
    done = sandbox.run(["sh", "-c", "head -c 1000000 /dev/zero"], limits=sandbox.Limits(output_bytes=10))
    assert (len(done.stdout), done.truncated) == (10, True)


@pytest.mark.parametrize("name", ["/etc/x", "../x", "a/../../x"])
def test_files_outside_the_box_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="outside /box"):
        sandbox.run(["true"], files={name: b""})


def test_a_machine_without_any_mechanism_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backend, "probe", lambda mechanism: "not here")
    backend.layers.cache_clear()
    try:
        assert not sandbox.available()
        assert "landlock: not here" in str(sandbox.why_unavailable())
        with pytest.raises(sandbox.Unavailable, match="no sandbox works"):
            judge("x = 1")
    finally:
        backend.layers.cache_clear()


def test_layers_name_the_mechanism_and_what_it_lacks() -> None:
    record = sandbox.layers().record()
    assert record["mechanism"] in backend.MECHANISMS and isinstance(record["missing"], list)


def test_two_sandboxes_at_once_have_two_users() -> None:
    users: list[int] = []
    barrier = threading.Barrier(2)

    def record_user() -> None:
        barrier.wait()
        users.append(unused_user())
        barrier.wait()

    threads = [threading.Thread(target=record_user) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert users[0] != users[1]


@pytest.mark.skipif(not cgroup.usable(), reason="no control groups can be made here")
def test_a_second_sandbox_of_a_thread_has_limits_of_its_own() -> None:
    with cgroup.group(64, 16) as add:
        assert add is not None
        with subprocess.Popen(["sleep", "60"]) as process:
            add(process.pid)
            assert judge("x = 1").status == "passed"  # its limit of memory is higher, which a shared group refuses
            process.kill()


def test_stored_filters_match_what_libseccomp_builds() -> None:
    pytest.importorskip(
        "pyseccomp", reason="libseccomp is not installed", exc_type=(ImportError, RuntimeError, OSError)
    )  # type: ignore[arg-type]
    import platform

    for name in ("namespaced", "bare"):
        assert seccomp.build(name, platform.machine()) == seccomp.program(name)


def in_another_process(code: str, **popen: object) -> str:
    """Run `code` with Debian's Python, which any user can reach, and this checkout's package."""
    import subprocess
    import sysconfig

    root = Path(backend.__file__).parents[2]
    path = f"{root}:{sysconfig.get_paths()['purelib']}"
    done = subprocess.run(
        ["/usr/bin/python3", "-B", "-c", code],
        env={"PYTHONPATH": path},
        cwd="/",
        capture_output=True,
        encoding="utf-8",
        **popen,  # type: ignore[call-overload]
    )
    assert done.returncode == 0, done.stderr
    return str(done.stdout).strip()


PRINT_MECHANISM_AND_VERDICTS = """
from lemur import sandbox
print(sandbox.layers().mechanism if sandbox.available() else sandbox.why_unavailable(),
      sandbox.run_python("assert 1", timeout_s=2, memory_mb=128).status,
      sandbox.run_python("assert 0", timeout_s=2, memory_mb=128).status)
"""


@pytest.mark.skipif(not Path("/usr/bin/python3").exists() or os.geteuid() != 0, reason="needs root and Debian's Python")
def test_an_ordinary_user_gets_a_user_namespace() -> None:
    assert in_another_process(PRINT_MECHANISM_AND_VERDICTS, user=1001, group=1001, extra_groups=[]) in {
        "bubblewrap passed failed",
        "landlock passed failed",
    }


@pytest.mark.skipif(backend.probe("landlock") is not None, reason="no Landlock here")
@pytest.mark.parametrize("others", [False, True])
def test_without_landlocks_scope_a_program_cannot_signal_threads_of_another_process(
    others: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on Linux before 6.12, with the same user's process. A program can signal its own threads, as `abort` does."""
    rule = "SCOPES if version >= 6 else 0"
    assert rule in landlock._LAUNCHER
    monkeypatch.setattr(landlock, "_LAUNCHER", landlock._LAUNCHER.replace(rule, "0"))
    monkeypatch.setattr(landlock, "unused_user", lambda: 61_234)
    user = 61_234 if os.geteuid() == 0 else None
    with subprocess.Popen(["sleep", "60"], user=user) as victim:
        target = victim.pid if others else "os.getpid()"
        call = launcher.TGKILL[os.uname().machine]
        program = f"import ctypes, os\nctypes.CDLL(None).syscall({call}, {target}, {target}, 9)"
        result = sandbox.run_python(program, timeout_s=5, memory_mb=256, mechanism="landlock")
        alive = victim.poll() is None
        victim.kill()
    assert (result.status, alive) == ("passed" if others else "ended", True)


@pytest.mark.skipif(not Path("/usr/bin/python3").exists(), reason="needs Debian's Python")
@pytest.mark.skipif(backend.probe("landlock") is not None, reason="no Landlock here")
def test_a_container_that_refuses_namespaces_gets_landlock() -> None:
    """The filter is like Docker's default one: it refuses namespaces in clone, unshare and mount."""
    pytest.importorskip("pyseccomp", exc_type=(ImportError, RuntimeError, OSError))  # type: ignore[arg-type]
    refuse = """
import errno, pyseccomp as s
f = s.SyscallFilter(s.ALLOW)
for call in ("unshare", "mount", "setns", "pivot_root", "umount2"):
    f.add_rule(s.ERRNO(errno.EPERM), call)
for flag in (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000):
    f.add_rule(s.ERRNO(errno.EPERM), "clone", s.Arg(0, s.MASKED_EQ, flag, flag))
f.add_rule(s.ERRNO(errno.ENOSYS), "clone3")
f.load()
"""
    assert in_another_process(refuse + PRINT_MECHANISM_AND_VERDICTS) == "landlock passed failed"
