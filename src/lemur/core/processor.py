"""This machine's processor, and whether a numerics profile guarantees equal bytes on it."""

import platform
import re
from pathlib import Path
from typing import Any

CPU_INFO = Path("/proc/cpuinfo")
REQUIRED_FEATURES = {"avx2": "AVX2", "fma": "FMA"}
X86_64_FLAG = "xla_cpu_max_isa"  # the XLA flag that caps the x86-64 instruction set


def name() -> str:
    """The processor's model name, or the machine's architecture if Linux reports no model."""
    return _field("model name") or platform.machine()


def outside_profile(numerics: dict[str, Any]) -> str:
    """Why the numerics profile does not guarantee equal bytes on this machine; "" if it does."""
    if numerics.get("platform") != "cpu" or X86_64_FLAG not in numerics.get("xla_flags", ""):
        return ""
    if platform.machine() not in ("x86_64", "AMD64"):
        return f"the profile covers x86-64 processors with AVX2 and FMA; this one is {platform.machine()}"
    flags = _field("flags").split()
    missing = [f"no {title}" for flag, title in REQUIRED_FEATURES.items() if flags and flag not in flags]
    return f"this processor has {' and '.join(missing)}" if missing else ""


def _field(key: str) -> str:
    """A field of the first processor in /proc/cpuinfo; "" if it is missing."""
    text = CPU_INFO.read_text(encoding="utf-8", errors="replace") if CPU_INFO.exists() else ""
    match = re.search(rf"^{key}\s*:[ \t]*(.*)$", text, re.MULTILINE)
    return match[1].strip() if match else ""
