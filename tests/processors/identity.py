"""Run a program as another processor: python -m tests.processors.identity NAME -- COMMAND ARGUMENTS...

jaxlib, numpy and others ask `cpuid` which processor they run on, and choose kernels and generate code accordingly.
cpuid.c gives every library in site-packages the answers of a file in profiles/ instead, at native speed. Python itself
and the C library still see the real processor. JAX's compilation cache is off, because its programs could be another
processor's.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tests.processors.cpuid_sites import cpuid_sites

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
CACHE = ROOT / ".lemur" / "processors"
NATIVE = "native"
PROFILES = sorted(path.name for path in (HERE / "profiles").iterdir() if path.suffix != ".md")


def missing_tools() -> str:
    """The reason for a skip if the machine lacks tools; otherwise empty."""
    missing = [tool for tool in ("gcc", "objdump") if not shutil.which(tool)]
    return f"no {' and '.join(missing)} here: apt-get install gcc libc6-dev binutils" if missing else ""


def run_as(name: str, command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
    """`subprocess.run` as this processor, with its output as text; NATIVE is this machine's own."""
    return subprocess.run(command, encoding="utf-8", env=environment(name), **options)


def run_module(name: str, module: str, *arguments: str, python: Sequence[str] = (sys.executable,)) -> str:
    """The output of `python -m MODULE ARGUMENTS` of this checkout as this processor. Raises its stderr on failure."""
    command = [*python, "-m", module, *arguments]
    path = {"PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}
    process = subprocess.run(command, cwd=ROOT, env=environment(name) | path, capture_output=True, encoding="utf-8")
    if process.returncode:
        status = process.returncode
        raise RuntimeError(f"as {name}: {' '.join(command)} exited with {status}:\n{process.stderr[-4000:]}")
    return process.stdout


def environment(name: str) -> dict[str, str]:
    """The environment of a process that runs as this processor."""
    return {"JAX_ENABLE_COMPILATION_CACHE": "false", **os.environ, **variables(name)}


def variables(name: str) -> dict[str, str]:
    """The additional variables of such an environment."""
    if name == NATIVE:
        return {}
    profile = HERE / "profiles" / name
    if name not in PROFILES:
        raise SystemExit(f"no profile {name}; there are {NATIVE}, {', '.join(PROFILES)}")
    if reason := missing_tools():
        raise SystemExit(reason)
    library = _cached("cpuid.so", _compile, [HERE / "cpuid.c"])
    packages = Path(sysconfig.get_paths()["platlib"])
    libraries = sorted(path.resolve() for path in packages.rglob("*.so*"))
    sites = _cached("sites", _list_sites, [HERE / "cpuid_sites.py", *libraries])
    return {
        "LD_PRELOAD": str(library),
        "LD_AUDIT": str(library),
        "CPUID_PROFILE": str(profile),
        "CPUID_SITES": str(sites),
    }


def _cached(name: str, make: Callable[[list[Path], Path], None], sources: list[Path]) -> Path:
    """A file made from others, cached as long as those stay the same."""
    state = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in sources]
    target = CACHE / hashlib.sha256(repr(state).encode()).hexdigest()[:16] / name
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as folder:
            make(sources, Path(folder) / name)
            (Path(folder) / name).rename(target)  # atomic
    return target


def _compile(sources: list[Path], target: Path) -> None:
    command = ["gcc", "-O2", "-Wall", "-shared", "-fPIC", "-o", str(target), str(sources[0]), "-ldl"]
    subprocess.run(command, check=True)


def _list_sites(sources: list[Path], target: Path) -> None:
    sites = {path: cpuid_sites(path) for path in sources[1:]}
    lines = (f"{path}\t{' '.join(f'{site:x}' for site in places)}\n" for path, places in sites.items() if places)
    target.write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    name, separator, *command = sys.argv[1:]
    assert separator == "--", __doc__
    os.execvpe(command[0], command, environment(name))
