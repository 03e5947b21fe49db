"""This machine's processor, and whether a numerics profile promises its bytes on it."""

import platform
import re
from pathlib import Path
from typing import Any

CPU_INFO = Path("/proc/cpuinfo")
NEEDED = {"avx2": "AVX2", "fma": "FMA"}
OF_X86_64 = "xla_cpu_max_isa"  # XLA's flag that names an instruction set of x86-64


def name() -> str:
    """As the maker calls it, or the machine's architecture where Linux does not know that."""
    return _field("model name") or platform.machine()


def outside_profile(numerics: dict[str, Any]) -> str:
    """Why this machine is none of those on which a numerics profile promises equal bytes, or ""."""
    if numerics.get("platform") != "cpu" or OF_X86_64 not in numerics.get("xla_flags", ""):
        return ""
    if platform.machine() not in ("x86_64", "AMD64"):
        return f"the profile is of x86-64 processors with AVX2 and FMA, this is {platform.machine()}"
    flags = _field("flags").split()
    missing = [f"no {title}" for flag, title in NEEDED.items() if flags and flag not in flags]
    return f"this processor has {' and '.join(missing)}" if missing else ""


def _field(key: str) -> str:
    """What /proc/cpuinfo says of the first processor, "" where there is no such line."""
    said = re.search(rf"^{key}\s*:[ \t]*(.*)$", CPU_INFO.read_text() if CPU_INFO.exists() else "", re.MULTILINE)
    return said[1].strip() if said else ""
