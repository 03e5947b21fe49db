"""Programs that attack the machine or the verdict, with every mechanism that works here."""

import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from lemur import sandbox
from lemur.sandbox import backend
from lemur.sandbox.users import unused_user

# The two mechanisms without /proc differ in nothing else; the self-test of `probe` covers them.
MECHANISMS = [name for name in ("bubblewrap-root", "bubblewrap", "landlock") if backend.probe(name) is None]
SECRET = "planted-secret-value"
FIFTY_TIMES = pytest.mark.parametrize(
    "repetition", [0, *(pytest.param(n, marks=pytest.mark.slow) for n in range(1, 50))]
)

# Name, program, acceptable verdicts. A contained attack that reaches its last line has "passed": it did no harm.
EVIL: list[tuple[str, str, set[str]]] = [
    ("fork bomb", "import os\nwhile True: os.fork()", {"failed", "timed_out", "ended"}),
    ("quiet fork bomb", "import os\nwhile True:\n try: os.fork()\n except OSError: pass", {"timed_out", "ended"}),
    ("memory bomb", "x = []\nwhile True: x.append(bytearray(1 << 24))", {"failed", "ended"}),
    ("shared memory bomb", "import mmap\nx = []\nwhile True: x.append(mmap.mmap(-1, 1 << 26))", {"failed", "ended"}),
    (
        "disk fill",
        "n = 0\nwhile True:\n n += 1\n open(f'/box/{n}', 'wb').write(bytes(1 << 24))",
        {"failed"},
    ),
    ("endless output", "while True: print('x' * 65536)", {"timed_out"}),
    ("closed outputs", "import os, sys\nsys.stdout.close()\nos.close(2)\nos.closerange(0, 3)", {"passed"}),
    ("close every file", "import os\nos.closerange(0, 256)", {"ended"}),
    ("sleep", "import time\ntime.sleep(100)", {"timed_out"}),
    (
        "sleep, deaf to signals",
        "import signal, time\nfor n in (15, 2, 24): signal.signal(n, signal.SIG_IGN)\ntime.sleep(100)",
        {"timed_out"},
    ),
    ("blocks on stdin", "import sys\nassert sys.stdin.read() == ''", {"passed"}),
    ("early exit", "import os\nos._exit(0)", {"ended"}),
    ("system exit", "raise SystemExit(0)", {"failed"}),
    ("prints the marker", "import os\nprint('passed')\nos.write(2, b'passed')\nos._exit(0)", {"ended"}),
    (
        "forges the verdict",
        "import os\nfor n in range(3, 64):\n try: os.write(n, b'0 passed\\n')\n except OSError: pass\nos._exit(0)",
        {"ended"},
    ),
    ("deep recursion", "def f(n): return f(n + 1)\nf(0)", {"failed"}),
    (
        "deeper recursion",
        "import sys\nsys.setrecursionlimit(10**9)\nx = []\nfor _ in range(10**5): x = [x]\nrepr(x)",
        {"failed", "ended"},
    ),
    ("huge exception", "raise ValueError('x' * (1 << 27))", {"failed"}),
    ("evil exception", "class E(Exception):\n def __str__(self): raise self\nraise E", {"failed"}),
    (
        "kills its parent",
        "import os, signal\ntry: os.kill(os.getppid(), signal.SIGKILL)\nexcept OSError: pass",
        {"passed", "ended"},
    ),
    (
        "kills everything",
        "import os, signal\ntry: os.kill(-1, signal.SIGKILL)\nexcept OSError: pass",
        {"passed", "ended"},
    ),
    ("a crash", "import ctypes\nctypes.string_at(0)", {"ended"}),
    ("not Python", "def", {"failed"}),
    ("null byte", "x = 1\0", {"failed"}),
]


def children() -> set[str]:
    """This process's children. They include a sandbox's orphans, living or dead, because this process adopts them."""
    return {
        pid
        for task in Path("/proc/self/task").iterdir()
        for pid in (task / "children").read_text(encoding="utf-8").split()
    }


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    """Each program leaves no process and no zombie behind."""
    before = children()
    yield
    assert children() <= before


def run_attack(program: str, acceptable: set[str], mechanism: str) -> sandbox.Result:
    """Run a program. Its time is short only if it may time out; of the others `deeper recursion` takes longest, about a
    processor second on a fast machine."""
    timeout_s, wall_s = (1, 1.5) if "timed_out" in acceptable else (20, None)
    return sandbox.run_python(
        program, timeout_s=timeout_s, wall_s=wall_s, memory_mb=128, output_bytes=1000, mechanism=mechanism
    )


def allowed(acceptable: set[str], mechanism: str) -> set[str]:
    """Under landlock a program can neither write nor fork, so any attack may fail."""
    return acceptable | {"failed"} if mechanism == "landlock" else acceptable


@pytest.mark.parametrize("mechanism", MECHANISMS)
@pytest.mark.parametrize(("program", "acceptable"), [pytest.param(p, r, id=n) for n, p, r in EVIL])
def test_is_contained(mechanism: str, program: str, acceptable: set[str]) -> None:
    result = run_attack(program, acceptable, mechanism)
    assert result.status in allowed(acceptable, mechanism), (result.status, result.detail, result.stderr)
    assert len(result.stdout) <= 1000 and len(result.detail) < 300


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_all_are_contained_fifty_times(mechanism: str) -> None:
    """No verdict depends on luck, and the host is unchanged: processes, mounts, temporary files, disk."""
    host = host_state()
    wrong: list[tuple[int, str, str, str]] = []
    for repetition in range(50):
        for name, program, acceptable in EVIL:
            result = run_attack(program, acceptable, mechanism)
            if result.status not in allowed(acceptable, mechanism) or len(result.stdout) > 1000:
                wrong.append((repetition, name, result.status, result.detail))
    assert wrong == []
    assert host_state() == host


def host_state() -> dict[str, object]:
    """What an escaped program could leave behind: processes of this thread's sandbox user, its control groups, mounts,
    and that user's files and folders in /tmp, /var/tmp and /dev/shm."""
    user = unused_user()
    processes, files = [], []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            processes += [path.name] * (path.stat().st_uid == user)
        except FileNotFoundError:
            continue
    for path in [*Path("/tmp").iterdir(), *Path("/var/tmp").iterdir(), *Path("/dev/shm").iterdir()]:
        try:
            files += [str(path)] * (path.stat().st_uid == user)
        except FileNotFoundError:
            continue
    groups = [str(path) for path in Path("/sys/fs/cgroup").glob(f"*/lemur-{threading.get_native_id()}")]
    return {
        "processes": processes,
        "files": files,
        "groups": groups,
        "mounts": Path("/proc/self/mounts").read_text(encoding="utf-8"),
    }


@pytest.mark.parametrize("mechanism", MECHANISMS)
@FIFTY_TIMES
def test_secrets_stay_outside(mechanism: str, repetition: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = tmp_path / "secret"
    secret.write_text(SECRET, encoding="utf-8")
    for folder in (tmp_path, *tmp_path.parents):
        if folder.name.startswith("pytest"):
            folder.chmod(0o755)
    monkeypatch.setenv("LEMUR_TEST_SECRET", SECRET)
    program = f"""
import glob, os
found = str(os.environ)
processes = glob.glob("/proc/*/environ") + glob.glob("/proc/*/cmdline")
for name in [{str(secret)!r}, "/etc/shadow", "/etc/passwd", *processes]:
    try:
        found += name + open(name, errors="replace").read()
    except OSError:
        pass
assert {SECRET[::-1]!r}[::-1] not in found and "root:" not in found and os.path.expanduser("~") != "/root", found
"""
    result = sandbox.run_python(program, timeout_s=2, memory_mb=128, mechanism=mechanism)
    assert result.status == "passed", result.detail


@pytest.mark.parametrize("mechanism", MECHANISMS)
@FIFTY_TIMES
def test_nothing_outside_is_written_or_changed(mechanism: str, repetition: int, tmp_path: Path) -> None:
    victim = Path(f"/var/tmp/lemur-sandbox-{os.getpid()}")
    victim.write_text("mine", encoding="utf-8")
    victim.chmod(0o666)
    try:
        program = f"""
import os
victim = {str(victim)!r}
for attack in (
    lambda: open(victim, "w"),
    lambda: os.chmod(victim, 0o600),
    lambda: os.truncate(victim, 0),
    lambda: os.remove(victim),
    lambda: os.utime(victim, (1, 1)),
    lambda: open("/usr/lemur", "w"),
    lambda: os.mkdir("/lemur"),
):
    try:
        attack()
    except OSError:
        pass
    else:
        raise AssertionError("an attack went through")
"""
        before = victim.stat()
        result = sandbox.run_python(program, timeout_s=2, memory_mb=128, mechanism=mechanism)
        assert result.status == "passed", result.detail
        after = victim.stat()
        assert victim.read_text(encoding="utf-8") == "mine"
        assert (after.st_mode, after.st_mtime_ns) == (before.st_mode, before.st_mtime_ns)
        assert not Path("/usr/lemur").exists() and not Path("/lemur").exists()
    finally:
        victim.unlink()


@pytest.mark.parametrize("mechanism", MECHANISMS)
@FIFTY_TIMES
def test_the_network_and_the_hosts_sockets_are_out_of_reach(mechanism: str, repetition: int, tmp_path: Path) -> None:
    path = Path(f"/var/tmp/lemur-sandbox-{os.getpid()}.sock")
    path.unlink(missing_ok=True)
    with (
        socket.create_server(("127.0.0.1", 0)) as tcp,
        socket.socket(socket.AF_UNIX) as abstract,
        socket.socket(socket.AF_UNIX) as named,
    ):
        abstract.bind(f"\0lemur-sandbox-{os.getpid()}")
        abstract.listen()
        named.bind(str(path))
        named.listen()
        path.chmod(0o777)
        try:
            program = f"""
import socket
for family, address in (
    (socket.AF_INET, ("127.0.0.1", {tcp.getsockname()[1]})),
    (socket.AF_UNIX, "\\0lemur-sandbox-{os.getpid()}"),
    (socket.AF_UNIX, {str(path)!r}),
):
    try:
        socket.socket(family).connect(address)
    except OSError:
        continue
    raise AssertionError(address)
"""
            result = sandbox.run_python(program, timeout_s=2, memory_mb=128, mechanism=mechanism)
        finally:
            path.unlink()
    assert result.status == "passed", result.detail


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_dangerous_calls_are_refused(mechanism: str) -> None:
    program = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
assert libc.unshare(0x10000000) == -1, "a nested user namespace"
assert libc.ptrace(0, 0, 0, 0) == -1, "ptrace"
assert libc.mount(b"none", b"/tmp", b"tmpfs", 0, None) == -1, "mount"
assert os.getuid() != 0, "root"
"""
    result = sandbox.run_python(program, timeout_s=2, memory_mb=128, mechanism=mechanism)
    assert result.status == "passed", result.detail


@pytest.mark.parametrize("mechanism", [name for name in MECHANISMS if name != "landlock"])
@FIFTY_TIMES
def test_a_daemon_dies_with_its_program(mechanism: str, repetition: int) -> None:
    program = """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        while True:
            time.sleep(1)
    os._exit(0)
time.sleep(0.1)
"""
    assert sandbox.run_python(program, timeout_s=2, memory_mb=128, mechanism=mechanism).status == "passed"


@pytest.mark.skipif(not backend.cgroup.usable(), reason="no memory cgroup can be created here")
def test_memory_of_all_processes_together_is_limited() -> None:
    program = """
import os, time
for _ in range(6):
    if os.fork() == 0:
        x = b"1" * (100 << 20)
        time.sleep(1)
        os._exit(0)
alive = sum(os.wait()[1] == 0 for _ in range(6))
assert alive < 4, alive
"""
    result = sandbox.run_python(program, timeout_s=2, memory_mb=128)
    assert result.status in {"passed", "ended"}, result.detail
