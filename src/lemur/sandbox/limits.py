"""The limits of a sandboxed program."""

import resource
import sys
from dataclasses import dataclass

WALL_PER_CPU = 20


@dataclass(frozen=True)
class Limits:
    """Limits of one run. Waiting for a processor counts only towards `wall_s`, which is generous."""

    cpu_s: int = 10
    """Processor seconds of each process, and wall-clock seconds during which the whole program sleeps."""
    wall_s: float | None = None
    """Wall-clock seconds in total, to end programs that stay below both other limits, such as processes that start one
    another forever. `None` for `WALL_PER_CPU` times `cpu_s`: on a busy machine a twentieth of a core is enough."""
    memory_mb: int = 1024
    """MiB of data of each process, and of the whole run if a memory cgroup can be created."""
    address_space_mb: int | None = None
    """MiB of address space of each process; `None` for no limit (the JVM and Node reserve many GiB)."""
    processes: int = 64
    scratch_mb: int = 64
    """MiB of each of /box, /tmp and /dev/shm, which are in memory."""
    file_mb: int = 64
    """MiB of one file."""
    open_files: int = 256
    output_bytes: int = 65536
    """Bytes kept of stdout, of stderr and of the private pipe; the rest is read and discarded."""

    @property
    def max_wall_s(self) -> float:
        return self.wall_s or float(WALL_PER_CPU * self.cpu_s)

    def rlimits(self) -> dict[str, tuple[int, int]]:
        """Soft and hard limits by their lower-case names in `setrlimit(2)`: these, or this process's own hard limits
        where they are lower, which it could not raise."""
        mib = 1 << 20
        limits = {
            "cpu": self.cpu_s,
            "data": self.memory_mb * mib,
            "nproc": self.processes,
            "fsize": self.file_mb * mib,
            "nofile": self.open_files,
            "core": 0,
        }
        if self.address_space_mb is not None:
            limits["as"] = self.address_space_mb * mib
        bounded = {}
        for name, value in limits.items():
            own = resource.getrlimit(getattr(resource, f"RLIMIT_{name.upper()}"))[1]
            most = sys.maxsize if own == resource.RLIM_INFINITY else own
            # The soft CPU limit sends SIGXCPU, which identifies a time-out; the hard limit kills.
            bounded[name] = min(value, most), min(value + (name == "cpu"), most)
        return bounded
